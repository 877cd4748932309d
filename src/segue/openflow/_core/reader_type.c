/* The type of readers: steps from core_programs.py, looked at once so that reader.c need not. */
#include "reader.h"

PyObject *segue_zero;

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
    self->maker = segue_maker(self->record);
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
    segue_zero = PyLong_FromLong(0);
    return segue_zero == NULL || PyType_Ready(&Family_Type) < 0 || PyType_Ready(&Reader_Type) < 0 ? -1 : 0;
}
