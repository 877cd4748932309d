/* Records made and released quickly.
 *
 * A controller makes a flow modification per packet, with a few of fifteen fields given by name. msgspec looks for each
 * name among all fields, and for the slots of an object that goes in its class's description; both cost more than
 * anything that is done with the message. So the classes of messages that are written or read get functions of ours in
 * the two places of their types where msgspec put its own: one that makes (for each call site, known by its tuple of
 * names, it remembers which argument goes where) and one that releases, into a short list of objects for next time.
 *
 * Only plain classes are adopted, those whose slots are all there is to them; a call that is not plainly right
 * (a field that is missing, unknown, or given twice) is made by msgspec's function, which says what is wrong.
 */
#include "core.h"

#define FIELDS 32
#define CALLS 4
#define SPARE 64
#define PLACES 1024 /* a power of two, more than there are records */

/* Calls of one form: with these names, and so many arguments before them. Nearly all fields have their defaults, and
 * many of these are the same object: they are copied at once, and each object's references counted at once. */
typedef struct {
    PyObject *names; /* NULL with no arguments by name */
    Py_ssize_t given;
    PyObject *image[FIELDS];                        /* the defaults, by slot */
    struct { PyObject *value; int times; } held[FIELDS]; /* what that takes references of */
    struct { uint8_t slot, from; } put[FIELDS];     /* which argument goes where */
    uint8_t dict[FIELDS];                           /* slots that get a new dict */
    uint8_t helds, puts, dicts;
} Call;

struct Maker {
    PyTypeObject *type;
    vectorcallfunc make; /* what msgspec does */
    destructor release;
    PyObject *names;                /* of the fields, in the order of arguments */
    int fields;
    int8_t slot[FIELDS];            /* where an argument goes */
    PyObject *defaults[FIELDS];     /* by slot */
    char kind[FIELDS];
    int calls, next, spares;
    Call call[CALLS];
    PyObject *spare[SPARE];
};

enum { DEFAULT, REQUIRED, DICT };

static Maker *makers[PLACES];
static int adopted;

static inline unsigned
place(const PyTypeObject *type)
{
    return (unsigned)(((uint64_t)(uintptr_t)type >> 4) * 0x9E3779B97F4A7C15u >> 54);
}

Maker *
segue_maker(const PyTypeObject *type)
{
    for (unsigned at = place(type);; at = (at + 1) % PLACES)
        if (LIKELY(makers[at] == NULL || makers[at]->type == type))
            return makers[at];
}

#define SLOTS(record) ((PyObject **)((PyObject *)(record) + 1))

PyObject *
segue_take(Maker *maker)
{
    PyObject *record;
    if (LIKELY(maker->spares > 0)) {
        record = maker->spare[--maker->spares];
#if PY_VERSION_HEX < 0x030C0000 && !defined(Py_TRACE_REFS) && !defined(Py_REF_DEBUG)
        Py_INCREF(maker->type);
        Py_SET_REFCNT(record, 1);
        return record;
#endif
    }
    else if ((record = PyObject_Malloc((size_t)maker->type->tp_basicsize)) == NULL)
        return NULL;
    return PyObject_Init(record, maker->type);
}

static void
record_release(PyObject *record)
{
    PyTypeObject *type = Py_TYPE(record);
    Maker *maker = segue_maker(type);
    if (UNLIKELY(type->tp_finalize != NULL)) {
        maker->release(record);
        return;
    }
    PyObject **slot = SLOTS(record), **end = slot + maker->fields;
    for (; slot < end; slot++)
        Py_XDECREF(*slot);
    if (LIKELY(maker->spares < SPARE))
        maker->spare[maker->spares++] = record;
    else
        PyObject_Free(record);
    Py_DECREF(type);
}

/* How the arguments of a call are laid out, NULL if that is not plain. */
static Call *
understand(Maker *maker, Py_ssize_t given, PyObject *names)
{
    Call call = {.names = names, .given = given};
    int from[FIELDS];
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    if (given + named > maker->fields)
        return NULL;
    memset(from, -1, sizeof(from));
    for (int n = 0; n < given; n++)
        from[maker->slot[n]] = n;
    for (Py_ssize_t n = 0; n < named; n++) {
        int field = 0;
        while (field < maker->fields && PyTuple_GET_ITEM(maker->names, field) != PyTuple_GET_ITEM(names, n))
            field++;
        if (field == maker->fields || from[maker->slot[field]] >= 0)
            return NULL;
        from[maker->slot[field]] = (int)(given + n);
    }
    for (int n = 0; n < maker->fields; n++) {
        int held = 0;
        if (from[n] >= 0) {
            call.put[call.puts].slot = (uint8_t)n;
            call.put[call.puts++].from = (uint8_t)from[n];
            continue;
        }
        if (maker->kind[n] == REQUIRED)
            return NULL;
        if (maker->kind[n] == DICT) {
            call.dict[call.dicts++] = (uint8_t)n;
            continue;
        }
        call.image[n] = maker->defaults[n]; /* of which the maker has a reference */
        while (held < call.helds && call.held[held].value != call.image[n])
            held++;
        call.helds += held == call.helds;
        call.held[held].value = call.image[n];
        call.held[held].times++;
    }
    Call *known = &maker->call[maker->next];
    maker->next = (maker->next + 1) % CALLS;
    maker->calls += maker->calls < CALLS;
    Py_XINCREF(names);
    PyObject *old = known->names;
    *known = call;
    Py_XDECREF(old); /* a tuple of strings: nothing happens beside */
    return known;
}

/* So many references more. */
static inline void
hold(PyObject *value, int times)
{
#if PY_VERSION_HEX < 0x030C0000 && !defined(Py_REF_DEBUG)
    Py_SET_REFCNT(value, Py_REFCNT(value) + times);
#else
    while (times-- > 0)
        Py_INCREF(value);
#endif
}

static PyObject *
record_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Maker *maker = segue_maker((PyTypeObject *)type);
    Py_ssize_t given = PyVectorcall_NARGS(nargsf);
    const Call *call = maker->call, *end = call + maker->calls;
    while (call < end && (call->names != names || call->given != given))
        call++;
    if (UNLIKELY(call == end) && (call = understand(maker, given, names)) == NULL)
        return maker->make(type, args, nargsf, names);
    PyObject *record = segue_take(maker);
    if (record == NULL)
        return PyErr_NoMemory();
    PyObject **slot = SLOTS(record);
    memcpy(slot, call->image, (size_t)maker->fields * sizeof(PyObject *));
    for (int n = 0; n < call->helds; n++)
        hold(call->held[n].value, call->held[n].times);
    for (int n = 0; n < call->puts; n++)
        slot[call->put[n].slot] = Py_NewRef(args[call->put[n].from]);
    int failed = 0;
    for (int n = 0; n < call->dicts; n++)
        failed |= (slot[call->dict[n]] = PyDict_New()) == NULL;
    if (UNLIKELY(failed))
        Py_CLEAR(record);
    return record;
}

/* adopt(class, defaults): NODEFAULT is given as `...`, and a default that is a new dict each time as a dict. */
PyObject *
segue_adopt(PyObject *module, PyObject *args)
{
    PyObject *defaults, *names = NULL;
    PyTypeObject *type;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!:adopt", &PyType_Type, &type, &PyList_Type, &defaults))
        return NULL;
    Py_ssize_t fields = PyList_GET_SIZE(defaults);
    if (segue_maker(type) != NULL || adopted >= PLACES / 2 || fields > FIELDS || PyType_IS_GC(type)
        || !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || type->tp_free != PyObject_Free || type->tp_itemsize != 0
        || type->tp_vectorcall == NULL || type->tp_weaklistoffset != 0 || type->tp_dictoffset != 0
        || type->tp_finalize != NULL
        || type->tp_basicsize != (Py_ssize_t)sizeof(PyObject) + fields * (Py_ssize_t)sizeof(PyObject *))
        Py_RETURN_FALSE;
    Maker *maker = PyMem_Calloc(1, sizeof(Maker));
    if (maker == NULL)
        return PyErr_NoMemory();
    names = PyObject_GetAttrString((PyObject *)type, "__struct_fields__");
    if (names == NULL || !PyTuple_CheckExact(names) || PyTuple_GET_SIZE(names) != fields)
        goto error;
    for (Py_ssize_t n = 0; n < fields; n++) {
        Py_ssize_t offset = segue_slot(type, PyTuple_GET_ITEM(names, n));
        if (offset < 0)
            goto error;
        Py_ssize_t slot = (offset - (Py_ssize_t)sizeof(PyObject)) / (Py_ssize_t)sizeof(PyObject *);
        PyObject *value = PyList_GET_ITEM(defaults, n);
        maker->slot[n] = (int8_t)slot;
        maker->defaults[slot] = Py_NewRef(value);
        maker->kind[slot] = value == Py_Ellipsis ? REQUIRED : PyDict_CheckExact(value) ? DICT : DEFAULT;
    }
    maker->type = (PyTypeObject *)Py_NewRef(type);
    maker->names = names;
    maker->fields = (int)fields;
    maker->make = type->tp_vectorcall;
    maker->release = type->tp_dealloc;
    unsigned at = place(type);
    while (makers[at] != NULL)
        at = (at + 1) % PLACES;
    makers[at] = maker;
    adopted++;
    type->tp_vectorcall = record_make;
    type->tp_dealloc = record_release;
    Py_RETURN_TRUE;
error:
    Py_XDECREF(names);
    for (Py_ssize_t n = 0; n < FIELDS; n++)
        Py_XDECREF(maker->defaults[n]);
    PyMem_Free(maker);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_False);
}
