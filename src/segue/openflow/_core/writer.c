/* Writers: a record's layout as a list of steps, and what runs them.
 *
 * core_programs.py turns the declaration into steps. Neighbouring items of fixed size are one run: a template of octets
 * in which constants and the fields' defaults stand already, followed by a step per field. A field that still has its
 * default, the same object, needs no more than that comparison; most fields of most messages do.
 */
#include "core.h"

enum {
    OP_RUN,     /* of: the octets of items of fixed size; the steps up to OP_SIZE that follow are within it */
    OP_UINT,    /* at, size: a number */
    OP_PORT16,  /* at: a port in 16 bits */
    OP_TEXT,    /* at, size */
    OP_BLOB,    /* at, size */
    OP_BITS,    /* at; of: the name of the second field: offset and number of bits */
    OP_TOTAL,   /* at: the record's length, when it is known */
    OP_XID,     /* at */
    OP_SIZE,    /* at; size: which later item's size goes here; of: in elements of how many octets */
    OP_DATA,    /* octets as they are */
    OP_ALIGN,   /* zeros up to a multiple of eight */
    OP_MATCH,   /* of: Matches */
    OP_IN_PORT, /* of: (Matches, name, key): the same, and this field's value as `in_port` if it has none */
    OP_MANY,    /* of: class -> writer */
    OP_TRAILER, /* the same, aligned if there is anything */
    OP_ONE,     /* of: class -> writer, for a single record */
    OP_APPLY,   /* of: (class -> writer, a class): the field is that of one record of this class, which there is if
                   the field is not empty */
    OP_PYTHON,  /* of: record -> bytes; size: 8 if these are to be aligned for themselves */
    OPS,
    /* What OP_UINT becomes, by its size, so that one jump is enough. */
    OP_U8,
    OP_U16,
    OP_U32,
    OP_U48,
    OP_U64
};

#define SIZES 4
#define TOTALS 2

/* A field within a run. They are small and next to one another, as most are only compared. */
typedef struct {
    PyObject *same; /* the default that stands in the template, or &nothing */
    Py_ssize_t slot;
    uint8_t op;
    uint16_t size;
    uint16_t at;
    Py_ssize_t other; /* a second slot */
} Field;

/* A length that is not known yet when its run is written. */
typedef struct {
    uint8_t op;
    uint8_t which;
    uint16_t at;
    Py_ssize_t element;
} Mark;

typedef struct {
    uint8_t op;
    uint8_t sized; /* which place gets the size of this item, from one on */
    uint16_t size;
    Py_ssize_t slot;
    Py_ssize_t other;
    PyObject *same;
    PyObject *of;
    PyObject *type; /* the class of the last member, and its writer */
    PyObject *writer;
    /* of a run */
    uint8_t *octets;
    Py_ssize_t length;
    int fields, marks;
    Field *field;
    Mark *mark;
} Step;

/* A field that the version does not have. */
typedef struct {
    Py_ssize_t slot;
    PyObject *same;
} Absent;

struct Writer {
    PyObject_HEAD /* as WriterHead */
    vectorcallfunc vectorcall;
    PyTypeObject *record;
    PyObject *make;     /* () -> the generated function */
    PyObject *fallback; /* that, when it was needed once */
    int padded;         /* zeros behind it, which its length does not count */
    int python;         /* whether a step shows the record to Python code */
    Py_ssize_t xid_at;  /* in the first run; 0 for none */
    Py_ssize_t steps, absents;
    Step *step;
    Absent *absent;
};

/* What no field is. */
static char nothing;
#define NOTHING ((PyObject *)&nothing)

static int
is_default(PyObject *value, PyObject *same)
{
    uint64_t a, b;
    if (value == same)
        return 1;
    if (value == NULL)
        return 0;
    if (PyDict_CheckExact(same))
        return PyDict_CheckExact(value) && PyDict_GET_SIZE(value) == 0;
    if (PyTuple_CheckExact(same) && PyTuple_GET_SIZE(same) == 0)
        return PyList_CheckExact(value) && PyList_GET_SIZE(value) == 0;
    return PyLong_CheckExact(same) && as_uint(value, &a) == 0 && as_uint(same, &b) == 0 && a == b;
}

static int write_member(Step *step, PyObject *encoders, PyObject *member, Buffer *buffer, int depth);

static int
write_members(Step *step, PyObject *members, Buffer *buffer, int depth)
{
    /* Sizes are looked at each time, as a member's encoder may be Python code. */
    if (PyList_CheckExact(members)) {
        for (Py_ssize_t n = 0; n < PyList_GET_SIZE(members); n++)
            if (write_member(step, step->of, PyList_GET_ITEM(members, n), buffer, depth) < 0)
                return -1;
        return 0;
    }
    if (!PyTuple_CheckExact(members))
        return -1;
    for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(members); n++)
        if (write_member(step, step->of, PyTuple_GET_ITEM(members, n), buffer, depth) < 0)
            return -1;
    return 0;
}

/* The writer of a class, which stays in the step. A new reference. */
static PyObject *
find_writer(Step *step, PyObject *encoders, PyObject *type)
{
    if (LIKELY(step->type == type))
        return Py_NewRef(step->writer);
    PyObject *writer = PyObject_GetItem(encoders, type);
    if (writer == NULL) {
        PyErr_Clear();
        return NULL;
    }
    Py_INCREF(type);
    Py_XSETREF(step->type, type);
    Py_INCREF(writer);
    Py_XSETREF(step->writer, writer);
    return writer;
}

static int
append_python(PyObject *octets, Buffer *buffer)
{
    int result = -1;
    if (octets == NULL)
        PyErr_Clear();
    else if (PyBytes_CheckExact(octets))
        result = append(buffer, PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets));
    Py_XDECREF(octets);
    return result;
}

static int
write_member(Step *step, PyObject *encoders, PyObject *member, Buffer *buffer, int depth)
{
    PyObject *writer = find_writer(step, encoders, (PyObject *)Py_TYPE(member));
    if (writer == NULL)
        return -1;
    int result;
    Py_INCREF(member);
    if (Writer_Check(writer) && ((Writer *)writer)->record == Py_TYPE(member))
        result = segue_write((Writer *)writer, member, buffer, 0, depth + 1);
    else
        result = append_python(PyObject_CallOneArg(writer, member), buffer);
    Py_DECREF(member);
    Py_DECREF(writer);
    return result;
}

/* Actions that stand for a record which has them (an apply-actions instruction). No such record is made: one of as many
 * octets on the stack, with nothing but the field, is what its writer looks at. */
static int
write_apply(Step *step, PyObject *actions, Buffer *buffer, int depth)
{
    union {
        PyObject object;
        char octets[64];
    } stand_in;
    if (PyList_CheckExact(actions) ? PyList_GET_SIZE(actions) == 0
                                   : PyTuple_CheckExact(actions) && PyTuple_GET_SIZE(actions) == 0)
        return 0;
    PyTypeObject *record = (PyTypeObject *)PyTuple_GET_ITEM(step->of, 1);
    PyObject *found = find_writer(step, PyTuple_GET_ITEM(step->of, 0), (PyObject *)record);
    if (found == NULL)
        return -1;
    int result = -1;
    Writer *writer = (Writer *)found;
    if (Writer_Check(found) && writer->record == record && !writer->python
        && record->tp_basicsize <= (Py_ssize_t)sizeof(stand_in)) {
        memset(&stand_in, 0, sizeof(stand_in));
        SLOT(&stand_in, step->other) = actions;
        result = segue_write(writer, &stand_in.object, buffer, 0, depth + 1);
    }
    Py_DECREF(found);
    return result;
}

static int
write_in_port(Step *step, PyObject *match, PyObject *port, Buffer *buffer)
{
    Matches *matches = (Matches *)PyTuple_GET_ITEM(step->of, 0);
    PyObject *key = PyTuple_GET_ITEM(step->of, 2);
    uint64_t number;
    if (!PyDict_CheckExact(match) || port == NULL || as_uint(port, &number) < 0)
        return -1;
    if (number == 0 || PyDict_Contains(match, key) != 0) {
        PyErr_Clear();
        return segue_write_match(matches, match, buffer);
    }
    int result = -1;
    PyObject *both = PyDict_New();
    if (both != NULL && PyDict_SetItem(both, key, port) == 0 && PyDict_Update(both, match) == 0)
        result = segue_write_match(matches, both, buffer);
    else
        PyErr_Clear();
    Py_XDECREF(both);
    return result;
}

/* -1 unless the value can stand in its place. */
static int
write_field(const Field *field, PyObject *record, PyObject *value, uint8_t *p)
{
    uint64_t number;
    switch (field->op) {
    case OP_U8:
        if (as_uint(value, &number) < 0 || number > 0xff)
            return -1;
        p[0] = (uint8_t)number;
        return 0;
    case OP_U16:
        if (as_uint(value, &number) < 0 || number > 0xffff)
            return -1;
        store_be16(p, number);
        return 0;
    case OP_U32:
        if (as_uint(value, &number) < 0 || number > 0xffffffff)
            return -1;
        store_be32(p, number);
        return 0;
    case OP_U48:
    case OP_U64:
        if (as_uint(value, &number) < 0 || !fits(number, field->size))
            return -1;
        store_be(p, number, field->size);
        return 0;
    case OP_PORT16:
        if (as_uint(value, &number) < 0 || narrow_port(number, &number) < 0)
            return -1;
        store_be(p, number, 2);
        return 0;
    case OP_TEXT: {
        Py_ssize_t size;
        const char *octets = PyUnicode_CheckExact(value) ? PyUnicode_AsUTF8AndSize(value, &size) : NULL;
        if (octets == NULL) {
            PyErr_Clear();
            return -1;
        }
        if (size > field->size)
            return -1;
        memcpy(p, octets, (size_t)size);
        return 0;
    }
    case OP_BLOB:
        if (!PyBytes_CheckExact(value) || PyBytes_GET_SIZE(value) != field->size)
            return -1;
        memcpy(p, PyBytes_AS_STRING(value), field->size);
        return 0;
    default: { /* OP_BITS */
        uint64_t count;
        PyObject *other = SLOT(record, field->other);
        if (other == NULL || as_uint(value, &number) < 0 || as_uint(other, &count) < 0 || number > 1023 || count < 1
            || count > 64)
            return -1;
        store_be(p, number << 6 | (count - 1), 2);
        return 0;
    }
    }
}

int
segue_write(Writer *writer, PyObject *record, Buffer *buffer, uint32_t xid, int depth)
{
    const Py_ssize_t start = buffer->len;
    Py_ssize_t total_at[TOTALS], size_at[SIZES] = {0}, element[SIZES] = {0};
    int totals = 0;

    if (UNLIKELY(depth > DEEPEST))
        return -1;
    for (Absent *absent = writer->absent; absent < writer->absent + writer->absents; absent++) {
        PyObject *value = SLOT(record, absent->slot);
        if (UNLIKELY(value != absent->same) && !is_default(value, absent->same))
            return -1;
    }
    for (Step *step = writer->step; step < writer->step + writer->steps; step++) {
        if (step->op == OP_RUN) {
            Py_ssize_t run = buffer->len;
            uint8_t *p = append_template(buffer, step->octets, step->length);
            if (p == NULL)
                return -1;
            for (Mark *mark = step->mark; mark < step->mark + step->marks; mark++) {
                if (mark->op == OP_TOTAL)
                    total_at[totals++] = run + mark->at;
                else {
                    size_at[mark->which] = run + mark->at;
                    element[mark->which] = mark->element;
                }
            }
            for (Field *field = step->field; field < step->field + step->fields; field++) {
                PyObject *value = SLOT(record, field->slot);
                if (LIKELY(value == field->same))
                    continue;
                /* A record as `__new__` makes it has no values. */
                if (UNLIKELY(value == NULL) || write_field(field, record, value, p + field->at) < 0)
                    return -1;
            }
            continue;
        }
        PyObject *value = NULL;
        if (step->slot != 0) {
            value = SLOT(record, step->slot);
            if (value == step->same)
                continue;
            if (UNLIKELY(value == NULL))
                return -1;
        }
        Py_ssize_t before = buffer->len;
        switch (step->op) {
        case OP_DATA:
            if (!PyBytes_CheckExact(value) || append(buffer, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)) < 0)
                return -1;
            break;
        case OP_ALIGN:
            if (append_padding(buffer, start) < 0)
                return -1;
            break;
        case OP_MATCH:
            if (segue_write_match((Matches *)step->of, value, buffer) < 0)
                return -1;
            break;
        case OP_IN_PORT:
            if (write_in_port(step, value, SLOT(record, step->other), buffer) < 0)
                return -1;
            break;
        case OP_TRAILER:
            if (PyTuple_CheckExact(value) ? PyTuple_GET_SIZE(value) == 0
                                          : PyList_CheckExact(value) && PyList_GET_SIZE(value) == 0)
                break;
            if (append_padding(buffer, start) < 0)
                return -1;
            /* Fall through. */
        case OP_MANY:
            if (write_members(step, value, buffer, depth) < 0)
                return -1;
            break;
        case OP_ONE:
            if (write_member(step, step->of, value, buffer, depth) < 0)
                return -1;
            break;
        case OP_APPLY:
            if (write_apply(step, value, buffer, depth) < 0)
                return -1;
            break;
        case OP_PYTHON:
            if (append_python(PyObject_CallOneArg(step->of, record), buffer) < 0)
                return -1;
            break;
        }
        if (step->sized != 0) {
            Py_ssize_t size = buffer->len - before;
            size /= element[step->sized - 1];
            if (size > 0xffff)
                return -1;
            store_be(buffer->p + size_at[step->sized - 1], (uint64_t)size, 2);
        }
        if (step->op == OP_PYTHON && step->size == 8 && append_padding(buffer, before) < 0)
            return -1;
    }
    Py_ssize_t total = buffer->len - start;
    if (UNLIKELY(total > 0xffff && totals != 0))
        return -1;
    for (int n = 0; n < totals; n++)
        store_be(buffer->p + total_at[n], (uint64_t)total, 2);
    if (writer->xid_at != 0)
        store_be(buffer->p + start + writer->xid_at, xid, 4);
    return writer->padded ? append_padding(buffer, start) : 0;
}

/* -- the type ------------------------------------------------------------------------------------------------ */

static PyObject *
writer_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Writer *self = (Writer *)callable;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (names == NULL && (count == 1 || count == 2) && Py_IS_TYPE(args[0], self->record)) {
        uint64_t xid = 0;
        if (count == 1 || (as_uint(args[1], &xid) == 0 && fits(xid, 4))) {
            uint8_t stack[512];
            Buffer buffer = {stack, 0, sizeof(stack), NULL, NULL};
            PyObject *octets = NULL;
            if (segue_write(self, args[0], &buffer, (uint32_t)xid, 0) == 0)
                octets = PyBytes_FromStringAndSize((char *)buffer.p, buffer.len);
            segue_release(&buffer);
            if (octets != NULL)
                return octets;
            PyErr_Clear();
        }
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
no_such_step(void)
{
    PyErr_SetString(PyExc_ValueError, "no such step");
    return -1;
}

/* A step that follows a run and is part of it. */
static int
field_parse(Writer *self, Step *run, int op, int size, int at, PyObject *name, PyObject *same, PyObject *of)
{
    int wide = op == OP_UINT || op == OP_TEXT || op == OP_BLOB ? size : op == OP_XID ? 4 : 2;
    if (run == NULL || at + wide > run->length)
        return no_such_step();
    if (op == OP_UINT) {
        op = size == 1 ? OP_U8 : size == 2 ? OP_U16 : size == 4 ? OP_U32 : size == 6 ? OP_U48 : size == 8 ? OP_U64 : 0;
        if (op == 0)
            return no_such_step();
    }
    if (op == OP_XID) {
        if (run != self->step || at == 0)
            return no_such_step();
        self->xid_at = at;
        return 0;
    }
    if (op == OP_TOTAL || op == OP_SIZE) {
        Py_ssize_t element = op == OP_TOTAL ? 1 : PyLong_AsSsize_t(of);
        Mark *mark = PyMem_Realloc(run->mark, (size_t)(run->marks + 1) * sizeof(Mark));
        if (mark == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        run->mark = mark;
        if (element < 1 || size >= SIZES)
            return no_such_step();
        run->mark[run->marks++] = (Mark){(uint8_t)op, (uint8_t)size, (uint16_t)at, element};
        return 0;
    }
    Field *field = PyMem_Realloc(run->field, (size_t)(run->fields + 1) * sizeof(Field));
    if (field == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    run->field = field;
    field += run->fields;
    *field = (Field){NOTHING, segue_slot(self->record, name), (uint8_t)op, (uint16_t)size, (uint16_t)at, 0};
    if (field->slot < 0 || (op == OP_BITS && (field->other = segue_slot(self->record, of)) < 0))
        return -1;
    if (same != Py_Ellipsis)
        field->same = Py_NewRef(same);
    run->fields++;
    return 0;
}

static int
step_parse(Writer *self, Step *step, int op, int size, int sized, PyObject *name, PyObject *same, PyObject *of)
{
    step->op = (uint8_t)op;
    step->size = (uint16_t)size;
    step->sized = (uint8_t)sized;
    if (name != Py_None && (step->slot = segue_slot(self->record, name)) < 0)
        return -1;
    switch (op) {
    case OP_RUN:
        if (!PyBytes_CheckExact(of))
            return no_such_step();
        step->length = PyBytes_GET_SIZE(of);
        step->octets = make_template(PyBytes_AS_STRING(of), step->length);
        if (step->octets == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        break;
    case OP_MATCH:
        if (!Py_IS_TYPE(of, &Matches_Type))
            return no_such_step();
        break;
    case OP_IN_PORT:
        if (!PyTuple_Check(of) || PyTuple_GET_SIZE(of) != 3 || !Py_IS_TYPE(PyTuple_GET_ITEM(of, 0), &Matches_Type))
            return no_such_step();
        if ((step->other = segue_slot(self->record, PyTuple_GET_ITEM(of, 1))) < 0)
            return -1;
        break;
    case OP_APPLY:
        if (!PyTuple_Check(of) || PyTuple_GET_SIZE(of) != 3 || !PyType_Check(PyTuple_GET_ITEM(of, 1)))
            return no_such_step();
        step->other = segue_slot((PyTypeObject *)PyTuple_GET_ITEM(of, 1), PyTuple_GET_ITEM(of, 2));
        if (step->other < 0)
            return -1;
        break;
    case OP_PYTHON:
        self->python = 1;
        break;
    }
    step->same = same == Py_Ellipsis ? NULL : Py_NewRef(same);
    step->of = Py_NewRef(of);
    return 0;
}

static PyObject *
writer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"record", "make", "steps", "absent", "padded", NULL};
    PyObject *record, *make, *steps, *absent;
    int padded;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OO!O!p:Writer", keywords, &PyType_Type, &record, &make,
                                     &PyList_Type, &steps, &PyList_Type, &absent, &padded))
        return NULL;
    Writer *self = (Writer *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = writer_call;
    self->record = (PyTypeObject *)Py_NewRef(record);
    self->make = Py_NewRef(make);
    self->padded = padded;
    self->step = PyMem_Calloc((size_t)PyList_GET_SIZE(steps) + 1, sizeof(Step));
    self->absent = PyMem_Calloc((size_t)PyList_GET_SIZE(absent) + 1, sizeof(Absent));
    if (self->step == NULL || self->absent == NULL) {
        PyErr_NoMemory();
        goto error;
    }
    Step *run = NULL;
    int totals = 0, sizes = 0;
    for (Py_ssize_t n = 0; n < PyList_GET_SIZE(steps); n++) {
        int op, size, at, sized;
        PyObject *name, *same, *of;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(steps, n), "iiiiOOO", &op, &size, &at, &sized, &name, &same, &of))
            goto error;
        if (op < 0 || op >= OPS || size < 0 || size > 0xffff || at < 0 || at > 0xffff || sized < 0 || sized > SIZES) {
            no_such_step();
            goto error;
        }
        if (op > OP_RUN && op <= OP_SIZE) {
            if (field_parse(self, run, op, size, at, name, same, of) < 0)
                goto error;
            totals += op == OP_TOTAL;
            if (op == OP_SIZE)
                sizes |= 1 << size;
        }
        else {
            run = &self->step[self->steps++];
            if (step_parse(self, run, op, size, sized, name, same, of) < 0)
                goto error;
            if (op != OP_RUN)
                run = NULL;
        }
        if (totals > TOTALS || (sized != 0 && !(sizes & 1 << (sized - 1)))) {
            no_such_step();
            goto error;
        }
    }
    for (Py_ssize_t n = 0; n < PyList_GET_SIZE(absent); n++) {
        PyObject *name, *same;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(absent, n), "UO", &name, &same))
            goto error;
        if ((self->absent[n].slot = segue_slot(self->record, name)) < 0)
            goto error;
        self->absent[n].same = Py_NewRef(same);
        self->absents = n + 1;
    }
    return (PyObject *)self;
error:
    Py_DECREF(self);
    return NULL;
}

static int
writer_traverse(Writer *self, visitproc visit, void *arg)
{
    Py_VISIT(self->record);
    Py_VISIT(self->make);
    Py_VISIT(self->fallback);
    for (Py_ssize_t n = 0; n < self->steps; n++) {
        Py_VISIT(self->step[n].of);
        Py_VISIT(self->step[n].type);
        Py_VISIT(self->step[n].writer);
    }
    return 0;
}

static void
writer_dealloc(Writer *self)
{
    PyObject_GC_UnTrack(self);
    for (Py_ssize_t n = 0; n < self->steps; n++) {
        Step *step = &self->step[n];
        for (int i = 0; i < step->fields; i++)
            if (step->field[i].same != NOTHING)
                Py_DECREF(step->field[i].same);
        PyMem_Free(step->field);
        PyMem_Free(step->mark);
        PyMem_Free(step->octets);
        Py_XDECREF(step->same);
        Py_XDECREF(step->of);
        Py_XDECREF(step->type);
        Py_XDECREF(step->writer);
    }
    for (Py_ssize_t n = 0; n < self->absents; n++)
        Py_XDECREF(self->absent[n].same);
    PyMem_Free(self->step);
    PyMem_Free(self->absent);
    Py_XDECREF(self->record);
    Py_XDECREF(self->make);
    Py_XDECREF(self->fallback);
    Py_TYPE(self)->tp_free(self);
}

/* A cycle is broken where writers know one another. */
static int
writer_clear(Writer *self)
{
    for (Py_ssize_t n = 0; n < self->steps; n++) {
        Py_CLEAR(self->step[n].type);
        Py_CLEAR(self->step[n].writer);
    }
    Py_CLEAR(self->fallback);
    return 0;
}

static PyMemberDef writer_members[] = {
    {"record", T_OBJECT_EX, offsetof(Writer, record), READONLY, "The class whose instances it writes."},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject Writer_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.openflow._core.Writer",
    .tp_basicsize = sizeof(Writer),
    .tp_dealloc = (destructor)writer_dealloc,
    .tp_vectorcall_offset = offsetof(Writer, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = PyDoc_STR("(record, xid=0) -> bytes"),
    .tp_traverse = (traverseproc)writer_traverse,
    .tp_clear = (inquiry)writer_clear,
    .tp_members = writer_members,
    .tp_new = writer_new,
};
