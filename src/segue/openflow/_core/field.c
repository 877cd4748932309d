/* A property that is a number in a packet: `eth_dst = FrameField("data", 0, 6, 14, fallback)`.
 *
 * Applications look at a packet's addresses in nearly every message, so this is made of nothing but the slot's octets.
 * Records of another form (octets that are not bytes) are left to `fallback`, a function of the record.
 */
#include "core.h"

/* -- numbers that come again ---------------------------------------------------------------------------------
 *
 * The same addresses come again and again, and applications look for them in dicts. Numbers that were made lately are
 * kept and given out again: none has to be made, and a dict whose key is the same object need not compare. What is
 * kept grows with the addresses that there are, up to 6 MiB with the numbers themselves. Where there are so many more
 * that most are not found again, looking is given up for a while: it would cost more than it saves.
 */
#define LEAST_BITS 8
#define MOST_BITS 17
#define WINDOW (4u << MOST_BITS) /* questions, of which half are to be answered from here */
#define REST (16 * WINDOW)

typedef struct {
    uint64_t value;
    PyObject *number; /* NULL: nothing is here */
} Known;

static Known *known;
static unsigned bits, evictions;
static uint32_t asked, missed, resting;

static inline size_t
place(uint64_t value)
{
    return (size_t)(value ^ value >> 24) & (((size_t)1 << bits) - 1);
}

/* Puts a number, whose reference is given away, at one of its two places. */
static void
keep(uint64_t value, PyObject *number)
{
    Known *first = &known[place(value)], *second = &known[place(value) ^ 1];
    if (first->number != NULL && second->number == NULL)
        *second = *first;
    else if (first->number != NULL) {
        PyObject *old = second->number;
        *second = *first;
        evictions++;
        Py_DECREF(old); /* an int: nothing happens beside */
    }
    *first = (Known){value, number};
}

/* Twice as many; if there is no memory it stays as it is. */
static void
grow(void)
{
    Known *old = known, *more = PyMem_Calloc((size_t)1 << (bits + 1), sizeof(Known));
    size_t size = (size_t)1 << bits;
    evictions = 0;
    if (more == NULL)
        return;
    known = more;
    bits++;
    for (size_t n = 0; n < size; n++)
        if (old[n].number != NULL)
            keep(old[n].value, old[n].number);
    PyMem_Free(old);
}

static PyObject *
number_of(uint64_t value)
{
    if (UNLIKELY(known == NULL)) {
        if ((known = PyMem_Calloc((size_t)1 << LEAST_BITS, sizeof(Known))) == NULL)
            return PyErr_NoMemory();
        bits = LEAST_BITS;
    }
    if (UNLIKELY(resting > 0)) {
        resting--;
        return PyLong_FromUnsignedLongLong(value);
    }
    if (UNLIKELY(++asked == WINDOW)) {
        resting = missed > WINDOW / 2 ? REST : 0;
        asked = missed = 0;
    }
    size_t at = place(value);
    if (LIKELY(known[at].value == value && known[at].number != NULL))
        return Py_NewRef(known[at].number);
    if (known[at ^ 1].value == value && known[at ^ 1].number != NULL)
        return Py_NewRef(known[at ^ 1].number);
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    if (number == NULL)
        return NULL;
    keep(value, Py_NewRef(number));
    missed++;
    if (evictions > 1U << (bits - 2) && bits < MOST_BITS)
        grow();
    return number;
}

/* -- the property -------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *name;
    PyObject *fallback;
    PyTypeObject *record; /* the class that it was last asked of, and where that has the slot */
    Py_ssize_t slot;
    Py_ssize_t offset, least;
    int size;
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
    return number_of(value);
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
