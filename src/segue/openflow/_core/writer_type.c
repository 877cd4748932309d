/* The type of writers: steps from core_programs.py, looked at once so that writer.c need not. */
#include "writer.h"

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
    segue_forget_wholes(self);
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
    segue_forget_wholes(self);
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
