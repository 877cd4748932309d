/* Readers: octets to records, by steps like the writers'.
 *
 * A record is made as msgspec makes it, a zeroed object whose slots are filled, but without a call and its arguments. That
 * is right for what records are: frozen, not tracked by the collector, nothing done after making. Other classes get
 * no Reader (see core_programs.py).
 *
 * Lengths come from a peer. `end` only ever shrinks, each step looks whether there is as much as it wants, and all
 * octets are taken from one buffer whose size does not change meanwhile.
 */
#include "core.h"

enum {
    OP_RUN,     /* size: octets of items of fixed size, which must be there */
    OP_UINT,    /* at, size: a number */
    OP_PORT16,  /* at */
    OP_TEXT,    /* at, size */
    OP_BLOB,    /* at, size */
    OP_BITS,    /* at; of: the name of the second field */
    OP_LENGTH,  /* at: the record's own length; the last step of its run */
    OP_SIZE,    /* at; size: which later item's size this is; of: in elements of how many octets */
    OP_DATA,    /* octets as they are */
    OP_ALIGN,   /* to a multiple of eight */
    OP_END,     /* the same at a record's end, where it may be left out */
    OP_MATCH,   /* of: Matches */
    OP_IN_PORT, /* the same; of: (Matches, name): its `in_port` is a field besides */
    OP_MANY,    /* of: Family */
    OP_TRAILER, /* of: Family, aligned if there is anything */
    OP_ONE,     /* of: the Reader of a record without a family */
    OP_LIST,    /* the same, for as many as there are */
    OP_PYTHON,  /* of: ((bytes, offset, end) -> (value, ..., after), names) */
    OPS
};

/* What a record ends with. */
enum {
    ENDS_THERE, /* exactly where it was said to */
    ENDS_SOON,  /* up to seven octets of padding before that, which its own length counts */
    GOES_ON,    /* where its items end */
};

#define SIZES 4
#define VALUES 6

typedef struct {
    uint8_t op;
    uint8_t sized; /* which place has the size of this item, from one on */
    uint16_t size;
    uint16_t at;
    Py_ssize_t slot;
    Py_ssize_t others[VALUES]; /* more slots */
    uint64_t usual;            /* the field's default, and the object */
    PyObject *same;
    PyObject *of;
} Step;

typedef struct {
    Py_ssize_t slot;
    PyObject *value; /* NULL: an empty dict of its own */
} Absent;

struct Reader {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyTypeObject *record;
    PyObject *make;
    PyObject *fallback;
    Py_ssize_t steps, absents;
    int ends;
    Step *step;
    Absent *absent;
};

static PyObject *zero;

/* -- calling Python ------------------------------------------------------------------------------------------ */

PyObject *
segue_call_reader(PyObject *function, const Input *in, Py_ssize_t offset, Py_ssize_t end, int depth)
{
    if (in->bytes == NULL)
        return NULL;
    PyObject *found = NULL, *before = NULL;
    PyObject *args[] = {NULL, in->bytes, PyLong_FromSsize_t(offset), PyLong_FromSsize_t(end)};
    if (args[2] == NULL || args[3] == NULL)
        goto done;
    if (depth > 0) {
        PyObject *deep = PyLong_FromLong(depth);
        before = PyObject_GetAttrString(segue_codec, "depth");
        if (deep == NULL || before == NULL || PyObject_SetAttrString(segue_codec, "depth", deep) < 0) {
            Py_XDECREF(deep);
            goto done;
        }
        Py_DECREF(deep);
    }
    found = PyObject_Vectorcall(function, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (found == NULL)
        PyErr_Clear();
    if (before != NULL && PyObject_SetAttrString(segue_codec, "depth", before) < 0)
        Py_CLEAR(found);
done:
    if (PyErr_Occurred())
        PyErr_Clear();
    Py_XDECREF(before);
    Py_XDECREF(args[2]);
    Py_XDECREF(args[3]);
    return found;
}

/* -- several ------------------------------------------------------------------------------------------------- */

/* A tuple in the making, without an allocation for the few that are usual. */
typedef struct {
    Py_ssize_t count;
    PyObject *first[16];
    PyObject *more; /* a list, when that was not enough */
} Several;

static int
several_add(Several *several, PyObject *object)
{
    if (object == NULL)
        return -1;
    if (several->count < 16) {
        several->first[several->count++] = object;
        return 0;
    }
    if (several->more == NULL && (several->more = PyList_New(0)) == NULL) {
        Py_DECREF(object);
        return -1;
    }
    int result = PyList_Append(several->more, object);
    Py_DECREF(object);
    return result;
}

/* The tuple, or NULL when `whole` says that it has become nothing. */
static PyObject *
several_finish(Several *several, int whole)
{
    Py_ssize_t more = several->more == NULL ? 0 : PyList_GET_SIZE(several->more);
    PyObject *tuple = whole ? PyTuple_New(several->count + more) : NULL;
    for (Py_ssize_t n = 0; n < several->count; n++) {
        if (tuple == NULL)
            Py_DECREF(several->first[n]);
        else
            PyTuple_SET_ITEM(tuple, n, several->first[n]);
    }
    for (Py_ssize_t n = 0; tuple != NULL && n < more; n++)
        PyTuple_SET_ITEM(tuple, several->count + n, Py_NewRef(PyList_GET_ITEM(several->more, n)));
    Py_XDECREF(several->more);
    return tuple;
}

/* -- families ------------------------------------------------------------------------------------------------ */

#define KINDS 64
#define KEYS 64

/* The members of one version; readers are found when they are first needed. */
struct Family {
    PyObject_HEAD
    PyObject *find;    /* (type, experimenter, subtype) or (type,) -> reader, or None for what nobody declared */
    PyObject *unknown; /* (type, bytes) -> record */
    int inside;        /* padding is a part of the members */
    int subtype;       /* octets of an experimenter's subtype */
    int plain;         /* 0xffff is a type like any other */
    int length_first;  /* the length stands before the type */
    PyObject *by_number[KINDS];
    struct {
        uint64_t key;
        PyObject *reader;
    } by_key[KEYS];
};

static PyObject *
find_member(Family *self, uint64_t kind, const uint8_t *p, Py_ssize_t length)
{
    PyObject **kept = NULL, *found;
    if (kind != 0xffff || self->plain) {
        if (kind < KINDS) {
            kept = &self->by_number[kind];
            if (LIKELY(*kept != NULL))
                return Py_NewRef(*kept);
        }
        found = PyObject_CallFunction(self->find, "K", (unsigned long long)kind);
    }
    else {
        if (length < 8 + self->subtype)
            return Py_NewRef(Py_None);
        uint64_t experimenter = load_be(p + 4, 4), subtype = load_be(p + 8, self->subtype);
        uint64_t key = experimenter << 32 | subtype;
        unsigned at = (unsigned)((key * 0x9E3779B97F4A7C15u) >> 58);
        if (self->by_key[at].reader != NULL && self->by_key[at].key == key)
            return Py_NewRef(self->by_key[at].reader);
        kept = &self->by_key[at].reader;
        found = PyObject_CallFunction(self->find, "KKK", (unsigned long long)kind, (unsigned long long)experimenter,
                                      (unsigned long long)subtype);
        if (found != NULL)
            self->by_key[at].key = key;
    }
    if (found == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (kept != NULL) {
        Py_INCREF(found);
        Py_XSETREF(*kept, found);
    }
    return found;
}

PyObject *
segue_read_family(Family *self, const Input *in, Py_ssize_t offset, Py_ssize_t end, int depth)
{
    Several members = {0};
    int whole = 0;
    if (offset >= end)
        return PyTuple_New(0);
    if (depth == DEPTH_UNKNOWN) {
        PyObject *known = PyObject_GetAttrString(segue_codec, "depth");
        depth = known == NULL ? DEEPEST : (int)PyLong_AsLong(known);
        Py_XDECREF(known);
        if (PyErr_Occurred()) {
            PyErr_Clear();
            return NULL;
        }
    }
    if (++depth > DEEPEST)
        return NULL;
    while (offset < end) {
        if (end - offset < 4)
            goto done;
        const uint8_t *p = in->p + offset;
        uint64_t kind = load_be(p + 2 * self->length_first, 2);
        Py_ssize_t length = (Py_ssize_t)load_be(p + 2 * !self->length_first, 2), after = offset + length;
        if (length < (self->inside ? 8 : 4) || after > end || (self->inside && length % 8))
            goto done;
        PyObject *member, *reader = find_member(self, kind, p, length);
        if (reader == NULL)
            goto done;
        if (Reader_Check(reader)) {
            Py_ssize_t stop;
            member = segue_read((Reader *)reader, in, offset, after, &stop, depth);
        }
        else if (reader == Py_None) {
            member = PyObject_CallFunction(self->unknown, "iy#", (int)kind, (const char *)p + 4, length - 4);
            if (member == NULL)
                PyErr_Clear();
        }
        else
            member = segue_call_reader(reader, in, offset, after, depth);
        Py_DECREF(reader);
        if (several_add(&members, member) < 0)
            goto done;
        offset = self->inside ? after : after + (-length & 7);
    }
    whole = offset - end <= 7;
done:
    if (PyErr_Occurred())
        PyErr_Clear();
    return several_finish(&members, whole);
}

static int
family_traverse(Family *self, visitproc visit, void *arg)
{
    Py_VISIT(self->find);
    Py_VISIT(self->unknown);
    for (int n = 0; n < KINDS; n++)
        Py_VISIT(self->by_number[n]);
    for (int n = 0; n < KEYS; n++)
        Py_VISIT(self->by_key[n].reader);
    return 0;
}

static int
family_clear(Family *self)
{
    for (int n = 0; n < KINDS; n++)
        Py_CLEAR(self->by_number[n]);
    for (int n = 0; n < KEYS; n++)
        Py_CLEAR(self->by_key[n].reader);
    return 0;
}

static void
family_dealloc(Family *self)
{
    PyObject_GC_UnTrack(self);
    family_clear(self);
    Py_XDECREF(self->find);
    Py_XDECREF(self->unknown);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
family_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"find", "unknown", "inside", "subtype", "plain", "length_first", NULL};
    PyObject *find, *unknown;
    int inside, subtype, plain, length_first;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOpipp:Family", keywords, &find, &unknown, &inside, &subtype, &plain,
                                     &length_first))
        return NULL;
    if (subtype != 2 && subtype != 4) {
        PyErr_SetString(PyExc_ValueError, "subtype: 2 or 4 octets");
        return NULL;
    }
    Family *self = (Family *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->find = Py_NewRef(find);
    self->unknown = Py_NewRef(unknown);
    self->inside = inside;
    self->subtype = subtype;
    self->plain = plain;
    self->length_first = length_first;
    return (PyObject *)self;
}

PyTypeObject Family_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.openflow._core.Family",
    .tp_basicsize = sizeof(Family),
    .tp_dealloc = (destructor)family_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = PyDoc_STR("The members of a family of TLVs, as one version has them."),
    .tp_traverse = (traverseproc)family_traverse,
    .tp_clear = (inquiry)family_clear,
    .tp_new = family_new,
};

/* -- records ------------------------------------------------------------------------------------------------- */

static PyObject *
read_list(Reader *reader, const Input *in, Py_ssize_t offset, Py_ssize_t end, int depth)
{
    Several records = {0};
    int whole = 0;
    while (offset < end) {
        Py_ssize_t after = offset;
        PyObject *record = segue_read(reader, in, offset, end, &after, depth);
        if (several_add(&records, record) < 0 || after <= offset)
            goto done;
        offset = after;
    }
    whole = 1;
done:
    if (PyErr_Occurred())
        PyErr_Clear();
    return several_finish(&records, whole);
}

static int
read_python(Step *step, PyObject *record, const Input *in, Py_ssize_t *offset, Py_ssize_t end, int depth)
{
    PyObject *names = PyTuple_GET_ITEM(step->of, 1);
    Py_ssize_t count = PyTuple_GET_SIZE(names);
    PyObject *found = segue_call_reader(PyTuple_GET_ITEM(step->of, 0), in, *offset, end, depth);
    if (found == NULL)
        return -1;
    int result = -1;
    if (PyTuple_CheckExact(found) && PyTuple_GET_SIZE(found) == count + 1) {
        for (Py_ssize_t n = 0; n < count; n++)
            SLOT(record, step->others[n]) = Py_NewRef(PyTuple_GET_ITEM(found, n));
        Py_ssize_t after = PyLong_AsSsize_t(PyTuple_GET_ITEM(found, count));
        if (after == -1 && PyErr_Occurred())
            PyErr_Clear();
        else if (after >= *offset) {
            *offset = after;
            result = 0;
        }
    }
    Py_DECREF(found);
    return result;
}

PyObject *
segue_read(Reader *reader, const Input *in, Py_ssize_t offset, Py_ssize_t end, Py_ssize_t *after, int depth)
{
    const Py_ssize_t start = offset;
    const uint8_t *run = in->p;
    Py_ssize_t sizes[SIZES] = {0};
    PyTypeObject *type = reader->record;
    PyObject *record = PyObject_New(PyObject, type);
    if (record == NULL) {
        PyErr_Clear();
        return NULL;
    }
    memset((char *)record + sizeof(PyObject), 0, (size_t)type->tp_basicsize - sizeof(PyObject));
    for (Step *step = reader->step; step < reader->step + reader->steps; step++) {
        PyObject *value = NULL;
        Py_ssize_t stop = end;
        if (step->sized != 0) {
            stop = offset + sizes[step->sized - 1];
            if (stop > end)
                goto strange;
        }
        switch (step->op) {
        case OP_RUN:
            if (end - offset < step->size)
                goto strange;
            run = in->p + offset;
            offset += step->size;
            continue;
        case OP_UINT: {
            uint64_t number = load_be(run + step->at, step->size);
            if (number == step->usual && step->same != NULL)
                value = Py_NewRef(step->same);
            else if (step->size <= 4)
                value = PyLong_FromLongLong((long long)number);
            else
                value = PyLong_FromUnsignedLongLong(number);
            break;
        }
        case OP_PORT16:
            value = PyLong_FromLongLong((long long)wide_port(load_be(run + step->at, 2)));
            break;
        case OP_TEXT: {
            Py_ssize_t size = step->size;
            while (size > 0 && run[step->at + size - 1] == 0)
                size--;
            value = PyUnicode_DecodeUTF8((const char *)run + step->at, size, "surrogateescape");
            break;
        }
        case OP_BLOB:
            value = PyBytes_FromStringAndSize((const char *)run + step->at, step->size);
            break;
        case OP_BITS: {
            uint64_t bits = load_be(run + step->at, 2);
            SLOT(record, step->others[0]) = PyLong_FromLong((long)(bits & 63) + 1);
            value = PyLong_FromLong((long)(bits >> 6));
            break;
        }
        case OP_LENGTH: {
            Py_ssize_t length = (Py_ssize_t)load_be(run + step->at, 2);
            if (length < offset - start || start + length > end)
                goto strange;
            end = start + length;
            continue;
        }
        case OP_SIZE:
            sizes[step->size] = (Py_ssize_t)load_be(run + step->at, 2) * step->others[0];
            continue;
        case OP_DATA:
            if (offset > stop)
                goto strange;
            value = PyBytes_FromStringAndSize((const char *)in->p + offset, stop - offset);
            offset = stop;
            break;
        case OP_ALIGN:
            offset += -(offset - start) & 7;
            continue;
        case OP_END:
            if (end - offset > 0 && end - offset < 8)
                offset = end;
            continue;
        case OP_MATCH:
            value = segue_read_match((Matches *)step->of, in, offset, end, &offset, depth);
            break;
        case OP_IN_PORT: {
            value = segue_read_match((Matches *)PyTuple_GET_ITEM(step->of, 0), in, offset, end, &offset, depth);
            PyObject *port = value == NULL ? NULL : PyDict_GetItemWithError(value, PyTuple_GET_ITEM(step->of, 1));
            if (PyErr_Occurred())
                PyErr_Clear();
            SLOT(record, step->others[0]) = Py_NewRef(port != NULL ? port : zero);
            break;
        }
        case OP_MANY:
            if (offset > stop)
                goto strange;
            value = segue_read_family((Family *)step->of, in, offset, stop, depth);
            offset = stop;
            break;
        case OP_TRAILER:
            if (offset < end)
                value = segue_read_family((Family *)step->of, in, offset + (-(offset - start) & 7), end, depth);
            else
                value = PyTuple_New(0);
            offset = end;
            break;
        case OP_ONE:
            value = segue_read((Reader *)step->of, in, offset, end, &offset, depth);
            break;
        case OP_LIST:
            if (offset > stop)
                goto strange;
            value = read_list((Reader *)step->of, in, offset, stop, depth);
            offset = stop;
            break;
        case OP_PYTHON:
            if (read_python(step, record, in, &offset, stop, depth) < 0)
                goto strange;
            continue;
        }
        if (UNLIKELY(value == NULL))
            goto strange;
        SLOT(record, step->slot) = value;
    }
    if (offset > end || (reader->ends == ENDS_THERE && offset != end) || (reader->ends == ENDS_SOON && end - offset > 7))
        goto strange;
    *after = reader->ends == GOES_ON ? offset : end;
    for (Absent *absent = reader->absent; absent < reader->absent + reader->absents; absent++) {
        PyObject *value = absent->value == NULL ? PyDict_New() : Py_NewRef(absent->value);
        if (value == NULL)
            goto strange;
        SLOT(record, absent->slot) = value;
    }
    return record;
strange:
    if (PyErr_Occurred())
        PyErr_Clear();
    Py_DECREF(record);
    return NULL;
}

static PyObject *
reader_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Reader *self = (Reader *)callable;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 3 && PyBytes_CheckExact(args[0]) && PyLong_CheckExact(args[1])
        && PyLong_CheckExact(args[2])) {
        Py_ssize_t after, offset = PyLong_AsSsize_t(args[1]), end = PyLong_AsSsize_t(args[2]);
        if (offset >= 0 && offset <= end && end <= PyBytes_GET_SIZE(args[0])) {
            Input in = {(const uint8_t *)PyBytes_AS_STRING(args[0]), args[0]};
            PyObject *record = segue_read(self, &in, offset, end, &after, DEPTH_UNKNOWN);
            if (record != NULL)
                return self->ends == ENDS_THERE ? record : Py_BuildValue("(Nn)", record, after);
        }
        else if (PyErr_Occurred())
            PyErr_Clear();
    }
    if (self->fallback == NULL) {
        PyObject *made = PyObject_CallNoArgs(self->make);
        if (made == NULL)
            return NULL;
        Py_XSETREF(self->fallback, made);
    }
    PyObject *fallback = Py_NewRef(self->fallback);
    PyObject *result = PyObject_Vectorcall(fallback, args, nargsf, names);
    Py_DECREF(fallback);
    return result;
}

static int
step_parse(Step *step, PyTypeObject *record, PyObject *given, Py_ssize_t *run)
{
    int op, size, at, sized;
    PyObject *name, *same, *of;
    if (!PyArg_ParseTuple(given, "iiiiOOO", &op, &size, &at, &sized, &name, &same, &of))
        return -1;
    int wide = op == OP_UINT || op == OP_TEXT || op == OP_BLOB ? size : 2;
    int right = op >= 0 && op < OPS && size >= 0 && size <= 0xffff && at >= 0 && at <= 0xffff && sized >= 0
                && sized <= SIZES && (op <= OP_RUN || op >= OP_DATA || at + wide <= *run);
    PyObject *names = NULL;
    switch (op) {
    case OP_RUN:
        *run = size;
        break;
    case OP_UINT:
        right = right && size <= 8;
        break;
    case OP_SIZE:
        right = right && size < SIZES;
        break;
    case OP_MATCH:
        right = right && Py_IS_TYPE(of, &Matches_Type);
        break;
    case OP_MANY:
    case OP_TRAILER:
        right = right && Py_IS_TYPE(of, &Family_Type);
        break;
    case OP_ONE:
    case OP_LIST:
        right = right && PyList_CheckExact(of) && PyList_GET_SIZE(of) == 1 && Reader_Check(PyList_GET_ITEM(of, 0));
        if (right) /* the list is only how it came */
            of = PyList_GET_ITEM(of, 0);
        break;
    case OP_BITS:
        names = of;
        right = right && PyTuple_CheckExact(of) && PyTuple_GET_SIZE(of) == 1;
        break;
    case OP_IN_PORT:
        right = right && PyTuple_CheckExact(of) && PyTuple_GET_SIZE(of) == 3
                && Py_IS_TYPE(PyTuple_GET_ITEM(of, 0), &Matches_Type) && PyTuple_CheckExact(PyTuple_GET_ITEM(of, 2));
        names = right ? PyTuple_GET_ITEM(of, 2) : NULL;
        break;
    case OP_PYTHON:
        right = right && PyTuple_CheckExact(of) && PyTuple_GET_SIZE(of) == 2
                && PyTuple_CheckExact(PyTuple_GET_ITEM(of, 1));
        names = right ? PyTuple_GET_ITEM(of, 1) : NULL;
        break;
    }
    if (!right || (names != NULL && PyTuple_GET_SIZE(names) > VALUES)) {
        PyErr_SetString(PyExc_ValueError, "no such step");
        return -1;
    }
    step->op = (uint8_t)op;
    step->size = (uint16_t)size;
    step->at = (uint16_t)at;
    step->sized = (uint8_t)sized;
    if (name != Py_None && (step->slot = segue_slot(record, name)) < 0)
        return -1;
    for (Py_ssize_t n = 0; names != NULL && n < PyTuple_GET_SIZE(names); n++)
        if ((step->others[n] = segue_slot(record, PyTuple_GET_ITEM(names, n))) < 0)
            return -1;
    if (op == OP_UINT && PyLong_CheckExact(same) && as_uint(same, &step->usual) == 0)
        step->same = Py_NewRef(same);
    if (op == OP_SIZE && ((step->others[0] = PyLong_AsSsize_t(of)) < 1 || step->others[0] > 0xffff)) {
        PyErr_SetString(PyExc_ValueError, "no such step");
        return -1;
    }
    step->of = Py_NewRef(of);
    return 0;
}

static PyObject *
reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"record", "make", "steps", "absent", "ends", NULL};
    PyObject *record, *make, *steps, *absent;
    int ends;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OO!O!i:Reader", keywords, &PyType_Type, &record, &make,
                                     &PyList_Type, &steps, &PyList_Type, &absent, &ends))
        return NULL;
    if (PyType_IS_GC((PyTypeObject *)record)) {
        PyErr_SetString(PyExc_TypeError, "a record that the collector does not track is wanted");
        return NULL;
    }
    Reader *self = (Reader *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = reader_call;
    self->record = (PyTypeObject *)Py_NewRef(record);
    self->make = Py_NewRef(make);
    self->ends = ends;
    self->step = PyMem_Calloc((size_t)PyList_GET_SIZE(steps) + 1, sizeof(Step));
    self->absent = PyMem_Calloc((size_t)PyList_GET_SIZE(absent) + 1, sizeof(Absent));
    if (self->step == NULL || self->absent == NULL) {
        PyErr_NoMemory();
        goto error;
    }
    Py_ssize_t run = 0;
    for (Py_ssize_t n = 0; n < PyList_GET_SIZE(steps); n++) {
        self->steps = n + 1;
        if (step_parse(&self->step[n], self->record, PyList_GET_ITEM(steps, n), &run) < 0)
            goto error;
    }
    for (Py_ssize_t n = 0; n < PyList_GET_SIZE(absent); n++) {
        PyObject *name, *value;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(absent, n), "UO", &name, &value))
            goto error;
        if ((self->absent[n].slot = segue_slot(self->record, name)) < 0)
            goto error;
        self->absent[n].value = PyDict_CheckExact(value) ? NULL : Py_NewRef(value);
        self->absents = n + 1;
    }
    return (PyObject *)self;
error:
    Py_DECREF(self);
    return NULL;
}

static int
reader_traverse(Reader *self, visitproc visit, void *arg)
{
    Py_VISIT(self->record);
    Py_VISIT(self->make);
    Py_VISIT(self->fallback);
    for (Py_ssize_t n = 0; n < self->steps; n++)
        Py_VISIT(self->step[n].of);
    return 0;
}

static int
reader_clear(Reader *self)
{
    Py_CLEAR(self->fallback);
    return 0;
}

static void
reader_dealloc(Reader *self)
{
    PyObject_GC_UnTrack(self);
    for (Py_ssize_t n = 0; n < self->steps; n++) {
        Py_XDECREF(self->step[n].same);
        Py_XDECREF(self->step[n].of);
    }
    for (Py_ssize_t n = 0; n < self->absents; n++)
        Py_XDECREF(self->absent[n].value);
    PyMem_Free(self->step);
    PyMem_Free(self->absent);
    Py_XDECREF(self->record);
    Py_XDECREF(self->make);
    Py_XDECREF(self->fallback);
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef reader_members[] = {
    {"record", T_OBJECT_EX, offsetof(Reader, record), READONLY, "The class of what it reads."},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject Reader_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.openflow._core.Reader",
    .tp_basicsize = sizeof(Reader),
    .tp_dealloc = (destructor)reader_dealloc,
    .tp_vectorcall_offset = offsetof(Reader, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = PyDoc_STR("(bytes, offset, end) -> record, or (record, where it ends) for one without a family"),
    .tp_traverse = (traverseproc)reader_traverse,
    .tp_clear = (inquiry)reader_clear,
    .tp_members = reader_members,
    .tp_new = reader_new,
};

int
segue_ready_reader(void)
{
    zero = PyLong_FromLong(0);
    return zero == NULL || PyType_Ready(&Family_Type) < 0 || PyType_Ready(&Reader_Type) < 0 ? -1 : 0;
}
