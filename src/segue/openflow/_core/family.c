/* Families: lists of TLVs, each read by the reader of its type.
 *
 * What nobody declared is kept by the family's `unknown`; readers that are Python code (of records without a program)
 * are called with NESTED.depth set, which bounds how deep families are nested within families.
 */
#include "reader.h"

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

int
segue_add(Several *several, PyObject *object)
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

PyObject *
segue_finish(Several *several, int whole)
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
        if (segue_add(&members, member) < 0)
            goto done;
        offset = self->inside ? after : after + (-length & 7);
    }
    whole = offset - end <= 7;
done:
    if (PyErr_Occurred())
        PyErr_Clear();
    return segue_finish(&members, whole);
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
