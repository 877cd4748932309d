/* A property that is a number in a packet: `eth_dst = FrameField("data", 0, 6, 14, fallback)`.
 *
 * Applications look at a packet's addresses in nearly every message, so this is made of nothing but the slot's octets.
 * Records of another form (octets that are not bytes) are left to `fallback`, a function of the record.
 */
#include "core.h"

typedef struct {
    PyObject_HEAD
    PyObject *name;
    PyObject *fallback;
    PyTypeObject *record; /* the class that it was last asked of, and where that has the slot */
    Py_ssize_t slot;
    Py_ssize_t offset, least;
    int size;
    uint64_t value; /* what was found last, as handlers ask twice, and then for the answer's */
    PyObject *last;
} FrameField;

static PyObject *
field_get(FrameField *self, PyObject *record, PyObject *type)
{
    (void)type;
    if (record == NULL || record == Py_None)
        return Py_NewRef((PyObject *)self);
    if (UNLIKELY(Py_TYPE(record) != self->record)) {
        Py_ssize_t slot = segue_slot(Py_TYPE(record), self->name);
        if (slot < 0)
            return NULL;
        Py_INCREF(Py_TYPE(record));
        Py_XSETREF(self->record, Py_TYPE(record));
        self->slot = slot;
    }
    PyObject *octets = SLOT(record, self->slot);
    if (UNLIKELY(octets == NULL || !PyBytes_CheckExact(octets)))
        return PyObject_CallOneArg(self->fallback, record);
    uint64_t value = 0;
    if (PyBytes_GET_SIZE(octets) >= self->least)
        value = load_be((const uint8_t *)PyBytes_AS_STRING(octets) + self->offset, self->size);
    if (self->last != NULL && self->value == value)
        return Py_NewRef(self->last);
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    if (number != NULL) {
        self->value = value;
        Py_INCREF(number);
        Py_XSETREF(self->last, number);
    }
    return number;
}

static PyObject *
field_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"name", "offset", "size", "least", "fallback", NULL};
    PyObject *name, *fallback;
    Py_ssize_t offset, least;
    int size;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UninO:FrameField", keywords, &name, &offset, &size, &least,
                                     &fallback))
        return NULL;
    if (offset < 0 || size < 1 || size > 7 || least < offset + size) {
        PyErr_SetString(PyExc_ValueError, "1 to 7 octets of those that must be there are wanted");
        return NULL;
    }
    FrameField *self = (FrameField *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->name = Py_NewRef(name);
    self->fallback = Py_NewRef(fallback);
    self->offset = offset;
    self->size = size;
    self->least = least;
    return (PyObject *)self;
}

static int
field_traverse(FrameField *self, visitproc visit, void *arg)
{
    Py_VISIT(self->fallback);
    Py_VISIT(self->record);
    return 0;
}

static int
field_clear(FrameField *self)
{
    Py_CLEAR(self->record);
    return 0;
}

static void
field_dealloc(FrameField *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->name);
    Py_XDECREF(self->fallback);
    Py_XDECREF(self->record);
    Py_XDECREF(self->last);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
field_doc(FrameField *self, void *closure)
{
    (void)closure;
    return PyObject_GetAttrString(self->fallback, "__doc__");
}

static PyGetSetDef field_getset[] = {
    {"__doc__", (getter)field_doc, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject FrameField_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.openflow._core.FrameField",
    .tp_basicsize = sizeof(FrameField),
    .tp_dealloc = (destructor)field_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = (traverseproc)field_traverse,
    .tp_clear = (inquiry)field_clear,
    .tp_getset = field_getset,
    .tp_descr_get = (descrgetfunc)field_get,
    .tp_new = field_new,
};
