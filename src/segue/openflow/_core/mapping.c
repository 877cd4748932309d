/* Match: the fields of a match as a call names them, `Match(in_port=1, eth_src=2)`.
 *
 * A controller makes one for each flow that it installs. A dict takes a table of hashes that is filled, and thrown
 * away when the message is written; this takes the call's own tuple of names, and the values behind each other. Whatever
 * is asked of it but its values by its writer, it answers as a dict does that is made for the purpose. It does not change.
 */
#include "match.h"

#define SPARE 64
#define WIDEST 8 /* fields of those that are kept for next time */

static MatchMap *spare[WIDEST + 1][SPARE];
static int spares[WIDEST + 1];

static MatchMap *
take(Py_ssize_t count)
{
    MatchMap *self;
    if (LIKELY(count <= WIDEST && spares[count] > 0)) {
        self = spare[count][--spares[count]];
        PyObject_InitVar((PyVarObject *)self, &Match_Type, count);
        return self;
    }
    return PyObject_NewVar(MatchMap, &Match_Type, count);
}

static void
match_dealloc(MatchMap *self)
{
    Py_ssize_t count = Py_SIZE(self);
    Py_DECREF(self->names);
    for (Py_ssize_t n = 0; n < count; n++)
        Py_DECREF(self->value[n]);
    if (LIKELY(count <= WIDEST && spares[count] < SPARE))
        spare[count][spares[count]++] = self;
    else
        PyObject_Free(self);
}

/* From a dict that nobody else has. */
static PyObject *
from_dict(PyObject *dict)
{
    Py_ssize_t count = PyDict_GET_SIZE(dict), position = 0, n = 0;
    PyObject *name, *value, *names = PyTuple_New(count);
    MatchMap *self = names == NULL ? NULL : take(count);
    if (self == NULL) {
        Py_XDECREF(names);
        return PyErr_NoMemory();
    }
    self->names = names;
    for (; PyDict_Next(dict, &position, &name, &value); n++) {
        PyTuple_SET_ITEM(names, n, Py_NewRef(name));
        self->value[n] = Py_NewRef(value);
    }
    return (PyObject *)self;
}

static PyObject *
match_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t given = PyVectorcall_NARGS(nargsf);
    if (LIKELY(given == 0 && names != NULL)) {
        Py_ssize_t count = PyTuple_GET_SIZE(names);
        MatchMap *self = take(count);
        if (self == NULL)
            return PyErr_NoMemory();
        self->names = Py_NewRef(names);
        for (Py_ssize_t n = 0; n < count; n++)
            self->value[n] = Py_NewRef(args[n]);
        return (PyObject *)self;
    }
    (void)type;
    PyObject *dict = PyObject_Vectorcall((PyObject *)&PyDict_Type, args, nargsf, names);
    PyObject *made = dict == NULL ? NULL : from_dict(dict);
    Py_XDECREF(dict);
    return made;
}

/* Where tp_new is asked: by pickles and by `Match.__new__`. */
static PyObject *
match_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *dict = PyObject_Call((PyObject *)&PyDict_Type, args, kwargs);
    PyObject *one[] = {NULL, dict};
    PyObject *made = dict == NULL ? NULL : match_make((PyObject *)type, one + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_XDECREF(dict);
    return made;
}

/* -- what a mapping is asked --------------------------------------------------------------------------------- */

static PyObject *
as_dict(MatchMap *self)
{
    PyObject *dict = PyDict_New();
    for (Py_ssize_t n = 0; dict != NULL && n < Py_SIZE(self); n++)
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(self->names, n), self->value[n]) < 0)
            Py_CLEAR(dict);
    return dict;
}

/* The value of a field, borrowed; NULL, perhaps with an exception. */
static PyObject *
find(MatchMap *self, PyObject *name)
{
    for (Py_ssize_t n = 0; n < Py_SIZE(self); n++)
        if (PyTuple_GET_ITEM(self->names, n) == name)
            return self->value[n];
    for (Py_ssize_t n = 0; n < Py_SIZE(self); n++) {
        int same = PyObject_RichCompareBool(PyTuple_GET_ITEM(self->names, n), name, Py_EQ);
        if (same != 0)
            return same < 0 ? NULL : self->value[n];
    }
    return NULL;
}

static Py_ssize_t
match_length(MatchMap *self)
{
    return Py_SIZE(self);
}

static PyObject *
match_subscript(MatchMap *self, PyObject *name)
{
    PyObject *value = find(self, name);
    if (value == NULL && !PyErr_Occurred())
        PyErr_SetObject(PyExc_KeyError, name);
    return Py_XNewRef(value);
}

static int
match_contains(MatchMap *self, PyObject *name)
{
    return find(self, name) != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

static PyObject *
match_iter(MatchMap *self)
{
    return PyObject_GetIter(self->names);
}

static PyObject *
match_get(MatchMap *self, PyObject *const *args, Py_ssize_t given)
{
    if (given < 1 || given > 2) {
        PyErr_SetString(PyExc_TypeError, "get(name, default=None)");
        return NULL;
    }
    PyObject *value = find(self, args[0]);
    if (value == NULL && PyErr_Occurred())
        return NULL;
    return Py_NewRef(value != NULL ? value : given == 2 ? args[1] : Py_None);
}

/* `keys`, `values` and `items`: of a dict, which the view keeps. */
static PyObject *
view(MatchMap *self, const char *method)
{
    PyObject *dict = as_dict(self), *made = dict == NULL ? NULL : PyObject_CallMethod(dict, method, NULL);
    Py_XDECREF(dict);
    return made;
}

static PyObject *
match_keys(MatchMap *self, PyObject *none)
{
    (void)none;
    return view(self, "keys");
}

static PyObject *
match_values(MatchMap *self, PyObject *none)
{
    (void)none;
    return view(self, "values");
}

static PyObject *
match_items(MatchMap *self, PyObject *none)
{
    (void)none;
    return view(self, "items");
}

static PyObject *
match_reduce(MatchMap *self, PyObject *none)
{
    (void)none;
    PyObject *dict = as_dict(self);
    return dict == NULL ? NULL : Py_BuildValue("O(N)", (PyObject *)&Match_Type, dict);
}

static PyObject *
match_same(PyObject *self, PyObject *none)
{
    (void)none;
    return Py_NewRef(self);
}

/* As dicts: the order says nothing. */
static PyObject *
match_compare(PyObject *self, PyObject *other, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !(PyDict_Check(other) || Py_IS_TYPE(other, &Match_Type)))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *mine = as_dict((MatchMap *)self);
    PyObject *its = Py_IS_TYPE(other, &Match_Type) ? as_dict((MatchMap *)other) : Py_NewRef(other);
    PyObject *result = mine == NULL || its == NULL ? NULL : PyObject_RichCompare(mine, its, op);
    Py_XDECREF(mine);
    Py_XDECREF(its);
    return result;
}

/* `match | {...}`: a dict, as that may be of anything. */
static PyObject *
match_or(PyObject *left, PyObject *right)
{
    PyObject *both[] = {left, right}, *made = PyDict_New();
    for (int n = 0; made != NULL && n < 2; n++) {
        PyObject *dict = Py_IS_TYPE(both[n], &Match_Type) ? as_dict((MatchMap *)both[n]) : Py_NewRef(both[n]);
        if (dict != NULL && !PyDict_Check(dict)) {
            Py_DECREF(dict);
            Py_DECREF(made);
            Py_RETURN_NOTIMPLEMENTED;
        }
        if (dict == NULL || PyDict_Update(made, dict) < 0)
            Py_CLEAR(made);
        Py_XDECREF(dict);
    }
    return made;
}

static PyObject *
match_repr(MatchMap *self)
{
    PyObject *parts = PyList_New(0), *comma = NULL, *joined = NULL, *result = NULL;
    for (Py_ssize_t n = 0; parts != NULL && n < Py_SIZE(self); n++) {
        PyObject *part = PyUnicode_FromFormat("%S=%R", PyTuple_GET_ITEM(self->names, n), self->value[n]);
        if (part == NULL || PyList_Append(parts, part) < 0)
            Py_CLEAR(parts);
        Py_XDECREF(part);
    }
    if (parts != NULL && (comma = PyUnicode_FromString(", ")) != NULL
        && (joined = PyUnicode_Join(comma, parts)) != NULL)
        result = PyUnicode_FromFormat("Match(%U)", joined);
    Py_XDECREF(parts);
    Py_XDECREF(comma);
    Py_XDECREF(joined);
    return result;
}

/* -- the type ------------------------------------------------------------------------------------------------ */

static PyMethodDef match_methods[] = {
    {"get", (PyCFunction)(void (*)(void))match_get, METH_FASTCALL, "The value of a field, or the default."},
    {"keys", (PyCFunction)match_keys, METH_NOARGS, "The names of the fields."},
    {"values", (PyCFunction)match_values, METH_NOARGS, "The values of the fields."},
    {"items", (PyCFunction)match_items, METH_NOARGS, "Pairs of name and value."},
    {"copy", match_same, METH_NOARGS, "Itself, as it does not change."},
    {"__copy__", match_same, METH_NOARGS, NULL},
    {"__reduce__", (PyCFunction)match_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMappingMethods match_mapping = {
    .mp_length = (lenfunc)match_length,
    .mp_subscript = (binaryfunc)match_subscript,
};

static PySequenceMethods match_sequence = {
    .sq_contains = (objobjproc)match_contains,
};

static PyNumberMethods match_number = {
    .nb_or = match_or,
};

PyTypeObject Match_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.openflow._core.Match",
    .tp_basicsize = offsetof(MatchMap, value),
    .tp_itemsize = sizeof(PyObject *),
    .tp_dealloc = (destructor)match_dealloc,
    .tp_repr = (reprfunc)match_repr,
    .tp_as_mapping = &match_mapping,
    .tp_as_sequence = &match_sequence,
    .tp_as_number = &match_number,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_MAPPING,
    .tp_doc = PyDoc_STR("As match_given.Match."),
    .tp_richcompare = match_compare,
    .tp_iter = (getiterfunc)match_iter,
    .tp_methods = match_methods,
    .tp_new = match_new,
    .tp_vectorcall = match_make,
};
