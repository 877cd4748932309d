/* The Pump: see pump.py, which says what it does; this is the same.
 *
 * Messages are read out of the caller's buffer. Only the beginning of one that is not whole is kept, and completed
 * with as little as it needs. A message is wholly read before its handler is called, so nothing here points into either
 * buffer while Python code runs.
 */
#include "core.h"

#define HEADER 8
#define FIRST_XID 0x80000000u
#define LAST_XID 0xfffffffeu
#define RECENT 4
#define TYPES 64 /* OpenFlow has got to 35 */
#define MOST 256 /* messages of one answer that are written at once */

/* A type of message that has a handler, and its reader once one came. */
typedef struct {
    int kind;
    PyObject *handler, *reader;
} Hot;

typedef struct {
    PyObject_HEAD
    int version;
    char stopped, busy;
    uint32_t xid;
    PyObject *switch_, *cold, *odd, *failed;
    PyObject *readers; /* type -> reader */
    PyObject *writers; /* class -> writer */
    PyObject *encode;  /* codec.encode, which explains */
    PyObject *message; /* the class of all messages */
    PyObject *number;  /* of the version, for encode */
    Hot *hot; /* few, and there are thousands of pumps */
    int hots;
    Writer *recent[RECENT]; /* of the answers seen last */
    int next;
    uint8_t *rest; /* the beginning of a message */
    Py_ssize_t kept, room;
} Pump;

static uint32_t
next_xid(Pump *self)
{
    self->xid = self->xid < LAST_XID ? self->xid + 1 : FIRST_XID;
    return self->xid;
}

/* Hands the current exception to `failed`, unless it is one that ends programs. 0 when it was taken. */
static int
fail(Pump *self, PyObject *msg)
{
    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit))
        return -1;
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *error = PyErr_GetRaisedException();
#else
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(error, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
#endif
    PyObject *args[] = {NULL, msg, error}, *failed = Py_NewRef(self->failed);
    PyObject *done = PyObject_Vectorcall(failed, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(failed);
    Py_DECREF(error);
    if (done == NULL)
        return -1;
    Py_DECREF(done);
    return 0;
}

/* -- answers ------------------------------------------------------------------------------------------------- */

static Writer *
find_writer(Pump *self, PyTypeObject *type)
{
    for (int n = 0; n < RECENT && self->recent[n] != NULL; n++)
        if (LIKELY(WRITTEN_BY(self->recent[n]) == type))
            return self->recent[n];
    PyObject *writer = PyDict_GetItemWithError(self->writers, (PyObject *)type);
    if (writer == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (!Writer_Check(writer) || WRITTEN_BY(writer) != type)
        return NULL;
    Py_INCREF(writer);
    Py_XSETREF(self->recent[self->next], (Writer *)writer);
    self->next = (self->next + 1) % RECENT;
    return (Writer *)writer;
}

/* Appends one message, by its writer if that is known; -1 with an exception, and then nothing is appended. */
static int
write_message(Pump *self, Writer *writer, PyObject *msg, Buffer *out)
{
    Py_ssize_t before = out->len;
    uint32_t xid = next_xid(self);
    if (LIKELY(writer != NULL)) {
        Py_INCREF(writer);
        int written = segue_write(writer, msg, out, xid, 0);
        Py_DECREF(writer);
        if (LIKELY(written == 0))
            return 0;
        if (out->p == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        out->len = before;
    }
    PyObject *args[] = {NULL, msg, PyLong_FromUnsignedLong(xid), self->number};
    if (args[2] == NULL)
        return -1;
    PyObject *octets = PyObject_Vectorcall(self->encode, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(args[2]);
    if (octets == NULL)
        return -1;
    int result = append(out, PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets));
    Py_DECREF(octets);
    if (result < 0)
        PyErr_NoMemory();
    return result;
}

/* -1 with an exception that nobody took. */
static int
answer(Pump *self, PyObject *msg, PyObject *result, Buffer *out)
{
    Py_ssize_t before = out->len;
    int written = 0;
    if (result == Py_None)
        return 0;
    Writer *writer = find_writer(self, Py_TYPE(result));
    if (LIKELY(writer != NULL))
        written = write_message(self, writer, result, out);
    else if (PyList_Check(result) && PyList_GET_SIZE(result) <= MOST) {
        for (Py_ssize_t n = 0; n < PyList_GET_SIZE(result) && written == 0; n++) {
            PyObject *one = Py_NewRef(PyList_GET_ITEM(result, n));
            written = write_message(self, find_writer(self, Py_TYPE(one)), one, out);
            Py_DECREF(one);
        }
    }
    else if (PyTuple_Check(result) && PyTuple_GET_SIZE(result) <= MOST) {
        for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(result) && written == 0; n++)
            written = write_message(self, find_writer(self, Py_TYPE(PyTuple_GET_ITEM(result, n))),
                                    PyTuple_GET_ITEM(result, n), out);
    }
    else {
        int is_message = PyObject_IsInstance(result, self->message);
        if (is_message < 0)
            return -1;
        if (is_message)
            written = write_message(self, NULL, result, out);
        else {
            PyObject *args[] = {NULL, msg, result}, *odd = Py_NewRef(self->odd);
            PyObject *done = PyObject_Vectorcall(odd, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
            Py_DECREF(odd);
            if (done == NULL)
                return -1;
            Py_DECREF(done);
        }
    }
    if (LIKELY(written == 0))
        return 0;
    if (out->p == NULL)
        return -1;
    out->len = before; /* all of an answer, or nothing */
    return fail(self, msg);
}

/* -- messages ------------------------------------------------------------------------------------------------ */

static inline Hot *
find_hot(const Pump *self, int kind)
{
    for (Hot *hot = self->hot; hot < self->hot + self->hots; hot++)
        if (hot->kind == kind)
            return hot;
    return NULL;
}

static PyObject *
reader_of(const Pump *self, int kind)
{
    PyObject *number = PyLong_FromLong(kind), *reader = number == NULL ? NULL : PyObject_GetItem(self->readers, number);
    Py_XDECREF(number);
    return reader;
}

/* The message of a hot type, or NULL: with an exception, or without one if its octets are wrong. `spare` is given away. */
static PyObject *
read_message(PyObject *reader, const uint8_t *frame, Py_ssize_t length, PyObject *spare)
{
    if (LIKELY(Reader_Check(reader))) {
        Input in = {frame, NULL};
        Py_ssize_t after;
        PyObject *msg = segue_read_into(spare, (Reader *)reader, &in, 0, length, &after, DEPTH_UNKNOWN);
        if (LIKELY(msg != NULL))
            return msg;
    }
    else
        Py_XDECREF(spare);
    PyObject *msg = NULL, *octets = PyBytes_FromStringAndSize((const char *)frame, length);
    if (octets == NULL)
        return NULL;
    PyObject *args[] = {NULL, octets, PyLong_FromLong(0), PyLong_FromSsize_t(length)};
    if (args[2] != NULL && args[3] != NULL)
        msg = PyObject_Vectorcall(reader, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_XDECREF(args[2]);
    Py_XDECREF(args[3]);
    Py_DECREF(octets);
    if (msg == NULL && PyErr_ExceptionMatches(segue_protocol_error))
        PyErr_Clear(); /* `cold` says what is wrong with it */
    return msg;
}

static int
handle_cold(Pump *self, const uint8_t *frame, Py_ssize_t length, Buffer *out)
{
    PyObject *octets = PyBytes_FromStringAndSize((const char *)frame, length);
    if (octets == NULL)
        return -1;
    PyObject *cold = Py_NewRef(self->cold), *sent = PyObject_CallOneArg(cold, octets);
    Py_DECREF(cold);
    Py_DECREF(octets);
    if (sent == NULL)
        return -1;
    int result = 0;
    if (sent != Py_None) {
        if (PyBytes_Check(sent)) {
            result = append(out, PyBytes_AS_STRING(sent), PyBytes_GET_SIZE(sent));
            if (result < 0)
                PyErr_NoMemory();
        }
        else {
            PyErr_Format(PyExc_TypeError, "cold returned %s, and bytes are wanted", Py_TYPE(sent)->tp_name);
            result = -1;
        }
    }
    Py_DECREF(sent);
    return result;
}

/* One whole message. -1 with an exception. `spare` is the last one, if nobody has it any more. */
static int
handle(Pump *self, const uint8_t *frame, Py_ssize_t length, PyObject **spare, Buffer *out)
{
    Hot *hot = find_hot(self, frame[1]);
    if (hot == NULL || frame[0] != self->version)
        return handle_cold(self, frame, length, out);
    if (UNLIKELY(hot->reader == NULL) && (hot->reader = reader_of(self, frame[1])) == NULL)
        return -1;
    PyObject *handler = Py_NewRef(hot->handler), *reader = Py_NewRef(hot->reader); /* reading may be Python code */
    PyObject *msg = read_message(reader, frame, length, *spare);
    *spare = NULL;
    Py_DECREF(reader);
    if (UNLIKELY(msg == NULL)) {
        Py_DECREF(handler);
        return PyErr_Occurred() ? -1 : handle_cold(self, frame, length, out);
    }
    PyObject *args[] = {NULL, self->switch_, msg};
    PyObject *result = PyObject_Vectorcall(handler, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    int done;
    if (UNLIKELY(result == NULL))
        done = fail(self, msg);
    else {
        done = answer(self, msg, result, out);
        Py_DECREF(result);
    }
    if (LIKELY(Py_REFCNT(msg) == 1))
        *spare = msg;
    else
        Py_DECREF(msg);
    Py_DECREF(handler);
    return done;
}

/* -- the stream ---------------------------------------------------------------------------------------------- */

/* The length in a header; -1 with an exception. */
static Py_ssize_t
frame_length(const uint8_t *p)
{
    Py_ssize_t length = (Py_ssize_t)load_be(p + 2, 2);
    if (LIKELY(length >= HEADER))
        return length;
    PyErr_Format(segue_protocol_error, "a header says %zd bytes, less than its own", length);
    return -1;
}

/* Adds up to `wanted` octets in all to what is kept; how many were taken. */
static Py_ssize_t
keep(Pump *self, const uint8_t *p, Py_ssize_t there, Py_ssize_t wanted)
{
    Py_ssize_t more = wanted - self->kept;
    if (more > there)
        more = there;
    if (more <= 0)
        return 0;
    if (self->kept + more > self->room) {
        uint8_t *rest = PyMem_Realloc(self->rest, (size_t)(self->kept + more));
        if (rest == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->rest = rest;
        self->room = self->kept + more;
    }
    memcpy(self->rest + self->kept, p, (size_t)more);
    self->kept += more;
    return more;
}

static void
forget(Pump *self)
{
    PyMem_Free(self->rest);
    self->rest = NULL;
    self->kept = self->room = 0;
}

static int
feed(Pump *self, const uint8_t *p, Py_ssize_t size, PyObject **spare, Buffer *out)
{
    Py_ssize_t offset = 0;
    if (self->kept > 0) {
        Py_ssize_t taken = keep(self, p, size, HEADER), length;
        if (taken < 0)
            return -1;
        offset += taken;
        if (self->kept < HEADER)
            return 0;
        if ((length = frame_length(self->rest)) < 0)
            return -1;
        if ((taken = keep(self, p + offset, size - offset, length)) < 0)
            return -1;
        offset += taken;
        if (self->kept < length)
            return 0;
        uint8_t *frame = self->rest;
        self->rest = NULL;
        self->kept = self->room = 0;
        int done = handle(self, frame, length, spare, out);
        PyMem_Free(frame);
        if (done < 0)
            return -1;
    }
    while (size - offset >= HEADER && !self->stopped) {
        Py_ssize_t length = frame_length(p + offset);
        if (length < 0)
            return -1;
        if (length > size - offset)
            break;
        if (handle(self, p + offset, length, spare, out) < 0)
            return -1;
        offset += length;
    }
    if (!self->stopped && keep(self, p + offset, size - offset, size - offset) < 0)
        return -1;
    return 0;
}

static PyObject *
pump_feed(Pump *self, PyObject *view)
{
    Py_buffer octets;
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "a handler cannot feed the pump that called it");
        return NULL;
    }
    if (PyObject_GetBuffer(view, &octets, PyBUF_SIMPLE) < 0)
        return NULL;
    /* What is sent is about as much as what came; a little more saves growing. */
    Py_ssize_t room = octets.len < 1024 ? 1024 : octets.len + octets.len / 4;
    Buffer out = {NULL, 0, room, PyBytes_FromStringAndSize(NULL, room), NULL};
    if (out.bytes == NULL) {
        PyBuffer_Release(&octets);
        return NULL;
    }
    out.p = (uint8_t *)PyBytes_AS_STRING(out.bytes);
    self->busy = 1;
    PyObject *spare = NULL;
    int done = self->stopped ? 0 : feed(self, octets.buf, octets.len, &spare, &out);
    Py_XDECREF(spare);
    self->busy = 0;
    PyBuffer_Release(&octets);
    if (done < 0)
        self->stopped = 1;
    if (self->stopped)
        forget(self);
    if (done < 0)
        segue_release(&out);
    else
        _PyBytes_Resize(&out.bytes, out.len);
    return out.bytes;
}

/* -- the type ------------------------------------------------------------------------------------------------ */

static PyObject *
pump_set_hot(Pump *self, PyObject *args)
{
    int kind;
    PyObject *handler;
    if (!PyArg_ParseTuple(args, "iO:set_hot", &kind, &handler))
        return NULL;
    if (kind < 0 || kind >= TYPES) {
        PyErr_Format(PyExc_ValueError, "no message has type %d", kind);
        return NULL;
    }
    Hot *hot = find_hot(self, kind);
    if (handler == Py_None) {
        if (hot != NULL) {
            Hot old = *hot;
            *hot = self->hot[--self->hots];
            Py_DECREF(old.handler);
            Py_XDECREF(old.reader);
        }
    }
    else if (hot != NULL) {
        PyObject *old = hot->handler;
        hot->handler = Py_NewRef(handler);
        Py_DECREF(old);
    }
    else {
        Hot *more = PyMem_Realloc(self->hot, (size_t)(self->hots + 1) * sizeof(Hot));
        if (more == NULL)
            return PyErr_NoMemory();
        self->hot = more;
        self->hot[self->hots++] = (Hot){kind, Py_NewRef(handler), NULL};
    }
    Py_RETURN_NONE;
}

static PyObject *
pump_pending(Pump *self, void *closure)
{
    (void)closure;
    return PyLong_FromSsize_t(self->kept);
}

static PyObject *
of_version(PyObject *codec, const char *table, PyObject *version)
{
    PyObject *found = NULL, *all = PyObject_GetAttrString(codec, table);
    if (all != NULL)
        found = PyObject_GetItem(all, version);
    Py_XDECREF(all);
    if (found != NULL && !PyDict_Check(found)) {
        PyErr_Format(PyExc_TypeError, "%s is not of dicts", table);
        Py_CLEAR(found);
    }
    return found;
}

static PyObject *
pump_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"version", "switch", "cold", "odd", "failed", NULL};
    PyObject *version, *switch_, *cold, *odd, *failed, *codec = NULL, *declare = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO:Pump", keywords, &version, &switch_, &cold, &odd, &failed))
        return NULL;
    Pump *self = (Pump *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->xid = FIRST_XID;
    self->switch_ = Py_NewRef(switch_);
    self->cold = Py_NewRef(cold);
    self->odd = Py_NewRef(odd);
    self->failed = Py_NewRef(failed);
    self->number = Py_NewRef(version);
    self->version = (int)PyLong_AsLong(version);
    if (self->version == -1 && PyErr_Occurred())
        goto error;
    if ((codec = PyImport_ImportModule("segue.openflow.codec")) == NULL
        || (declare = PyImport_ImportModule("segue.openflow.declare")) == NULL
        || (self->message = PyObject_GetAttrString(declare, "Message")) == NULL
        || (self->encode = PyObject_GetAttrString(codec, "encode")) == NULL
        || (self->readers = of_version(codec, "READERS", version)) == NULL
        || (self->writers = of_version(codec, "WRITERS", version)) == NULL)
        goto error;
    Py_DECREF(codec);
    Py_DECREF(declare);
    return (PyObject *)self;
error:
    Py_XDECREF(codec);
    Py_XDECREF(declare);
    Py_DECREF(self);
    return NULL;
}

static int
pump_traverse(Pump *self, visitproc visit, void *arg)
{
    Py_VISIT(self->switch_);
    Py_VISIT(self->cold);
    Py_VISIT(self->odd);
    Py_VISIT(self->failed);
    Py_VISIT(self->readers);
    Py_VISIT(self->writers);
    Py_VISIT(self->encode);
    Py_VISIT(self->message);
    for (int n = 0; n < self->hots; n++) {
        Py_VISIT(self->hot[n].handler);
        Py_VISIT(self->hot[n].reader);
    }
    for (int n = 0; n < RECENT; n++)
        Py_VISIT(self->recent[n]);
    return 0;
}

/* Cycles go through handlers, callbacks and the switch. A pump that was cleared is one that nobody can reach. */
static int
pump_clear(Pump *self)
{
    self->stopped = 1;
    while (self->hots > 0) {
        Hot last = self->hot[--self->hots];
        Py_DECREF(last.handler);
        Py_XDECREF(last.reader);
    }
    for (int n = 0; n < RECENT; n++)
        Py_CLEAR(self->recent[n]);
    Py_CLEAR(self->switch_);
    Py_CLEAR(self->cold);
    Py_CLEAR(self->odd);
    Py_CLEAR(self->failed);
    return 0;
}

static void
pump_dealloc(Pump *self)
{
    PyObject_GC_UnTrack(self);
    pump_clear(self);
    Py_XDECREF(self->readers);
    Py_XDECREF(self->writers);
    Py_XDECREF(self->encode);
    Py_XDECREF(self->message);
    Py_XDECREF(self->number);
    PyMem_Free(self->hot);
    forget(self);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef pump_methods[] = {
    {"feed", (PyCFunction)pump_feed, METH_O, "What is to be sent for these bytes."},
    {"set_hot", (PyCFunction)pump_set_hot, METH_VARARGS, "The handler of a message type from now on, or None."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef pump_members[] = {
    {"version", T_INT, offsetof(Pump, version), READONLY, NULL},
    {"switch", T_OBJECT_EX, offsetof(Pump, switch_), READONLY, NULL},
    {"stopped", T_BOOL, offsetof(Pump, stopped), 0, "Ends the loop."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef pump_getset[] = {
    {"pending", (getter)pump_pending, NULL, "Octets of a message that is not whole yet.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject Pump_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.openflow._core.Pump",
    .tp_basicsize = sizeof(Pump),
    .tp_dealloc = (destructor)pump_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = PyDoc_STR("As pump.Pump."),
    .tp_traverse = (traverseproc)pump_traverse,
    .tp_clear = (inquiry)pump_clear,
    .tp_methods = pump_methods,
    .tp_members = pump_members,
    .tp_getset = pump_getset,
    .tp_new = pump_new,
};
