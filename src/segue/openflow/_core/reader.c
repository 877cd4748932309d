/* Readers: octets to records, by steps like the writers'.
 *
 * A record is made as msgspec makes it, a zeroed object whose slots are filled, but without a call and its arguments. That
 * is right for what records are: frozen, not tracked by the collector, nothing done after making. Other classes get
 * no Reader (see core_programs.py).
 *
 * Lengths come from a peer. `end` only ever shrinks, each step looks whether there is as much as it wants, and all
 * octets are taken from one buffer whose size does not change meanwhile.
 */
#include "reader.h"

/* -- records ------------------------------------------------------------------------------------------------- */

/* Gives a slot its value; in a record that is used again there is one already. */
static inline void
put(PyObject *record, Py_ssize_t slot, PyObject *value)
{
    PyObject *before = SLOT(record, slot);
    SLOT(record, slot) = value;
    Py_XDECREF(before);
}

static PyObject *
read_list(Reader *reader, const Input *in, Py_ssize_t offset, Py_ssize_t end, int depth)
{
    Several records = {0};
    int whole = 0;
    while (offset < end) {
        Py_ssize_t after = offset;
        PyObject *record = segue_read(reader, in, offset, end, &after, depth);
        if (segue_add(&records, record) < 0 || after <= offset)
            goto done;
        offset = after;
    }
    whole = 1;
done:
    if (PyErr_Occurred())
        PyErr_Clear();
    return segue_finish(&records, whole);
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
            put(record, step->others[n], Py_NewRef(PyTuple_GET_ITEM(found, n)));
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

/* Whether nobody else has an object that is to be changed. */
static inline int
ours(PyObject *object)
{
    return object != NULL && Py_REFCNT(object) == 1;
}

/* The number that a slot has, if that is the one wanted, and otherwise a new one. */
static PyObject *
number_as(PyObject *before, uint64_t number)
{
    uint64_t known;
    if (before != NULL && PyLong_CheckExact(before) && as_uint(before, &known) == 0 && known == number)
        return Py_NewRef(before);
    return PyLong_FromUnsignedLongLong(number);
}

/* The octets, in the object that was there for them if nobody has kept it. */
static PyObject *
octets_as(PyObject *before, const uint8_t *p, Py_ssize_t size)
{
    if (ours(before) && PyBytes_CheckExact(before) && PyBytes_GET_SIZE(before) == size) {
        memcpy(PyBytes_AS_STRING(before), p, (size_t)size);
        _Py_COMP_DIAG_PUSH
        _Py_COMP_DIAG_IGNORE_DEPR_DECLS
        ((PyBytesObject *)before)->ob_shash = -1;
        _Py_COMP_DIAG_POP
        return Py_NewRef(before);
    }
    return PyBytes_FromStringAndSize((const char *)p, size);
}

/* The match of nearly every packet-in: `OFPMT_OXM 12 OXM_OF_IN_PORT`, padded. */
#define PORT_ALONE 0x0001000C80000004u

static PyObject *
match_as(PyObject *before, PyObject *key, PyObject *port)
{
    PyObject *match = NULL;
    if (ours(before) && PyDict_CheckExact(before)) {
        match = Py_NewRef(before);
        if (PyDict_SetItem(match, key, port) == 0 && PyDict_GET_SIZE(match) == 1)
            return match;
        PyDict_Clear(match); /* somebody has added to it */
    }
    else if ((match = PyDict_New()) == NULL)
        return NULL;
    if (PyDict_SetItem(match, key, port) < 0)
        Py_CLEAR(match);
    return match;
}

static int
read_in_port(const Step *step, PyObject *record, const Input *in, Py_ssize_t *offset, Py_ssize_t end, int depth)
{
    PyObject *match, *port, *key = PyTuple_GET_ITEM(step->of, 1);
    if (LIKELY(end - *offset >= 16 && load_be(in->p + *offset, 8) == PORT_ALONE)) {
        port = number_as(SLOT(record, step->others[0]), load_be32(in->p + *offset + 8));
        if (port == NULL)
            return -1;
        put(record, step->others[0], port);
        match = match_as(SLOT(record, step->slot), key, port);
        *offset += 16;
    }
    else {
        match = segue_read_match((Matches *)PyTuple_GET_ITEM(step->of, 0), in, *offset, end, offset, depth);
        port = match == NULL ? NULL : PyDict_GetItemWithError(match, key);
        if (PyErr_Occurred())
            PyErr_Clear();
        put(record, step->others[0], Py_NewRef(port != NULL ? port : segue_zero));
    }
    if (match == NULL)
        return -1;
    put(record, step->slot, match);
    return 0;
}

/* Fields that the version does not have. */
static int
fill_absent(const Reader *reader, PyObject *record)
{
    for (const Absent *absent = reader->absent; absent < reader->absent + reader->absents; absent++) {
        PyObject *before = SLOT(record, absent->slot), *value = absent->value;
        if (before != NULL && before == value)
            continue;
        if (value != NULL)
            Py_INCREF(value);
        else {
            if (ours(before) && PyDict_CheckExact(before) && PyDict_GET_SIZE(before) == 0)
                continue;
            if ((value = PyDict_New()) == NULL)
                return -1;
        }
        put(record, absent->slot, value);
    }
    return 0;
}

/* `old` itself, if it can be made another one, or a new record; its slots have values, or NULL. */
static PyObject *
begin(const Reader *reader, PyObject *old)
{
    PyTypeObject *type = reader->record;
    if (old != NULL) {
        if (Py_IS_TYPE(old, type) && ours(old))
            return old;
        Py_DECREF(old);
    }
    PyObject *record = reader->maker != NULL ? segue_take(reader->maker) : PyObject_New(PyObject, type);
    if (record != NULL)
        memset((char *)record + sizeof(PyObject), 0, (size_t)type->tp_basicsize - sizeof(PyObject));
    return record;
}

PyObject *
segue_read(Reader *reader, const Input *in, Py_ssize_t offset, Py_ssize_t end, Py_ssize_t *after, int depth)
{
    return segue_read_into(NULL, reader, in, offset, end, after, depth);
}

PyObject *
segue_read_into(PyObject *old, Reader *reader, const Input *in, Py_ssize_t offset, Py_ssize_t end, Py_ssize_t *after,
                int depth)
{
    const Py_ssize_t start = offset;
    const uint8_t *run = in->p;
    Py_ssize_t sizes[SIZES] = {0};
    PyObject *record = begin(reader, old);
    if (record == NULL) {
        PyErr_Clear();
        return NULL;
    }
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
            else
                value = number_as(SLOT(record, step->slot), number);
            break;
        }
        case OP_PORT16:
            value = number_as(SLOT(record, step->slot), wide_port(load_be(run + step->at, 2)));
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
            put(record, step->others[0], PyLong_FromLong((long)(bits & 63) + 1));
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
            value = octets_as(SLOT(record, step->slot), in->p + offset, stop - offset);
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
        case OP_IN_PORT:
            if (read_in_port(step, record, in, &offset, end, depth) < 0)
                goto strange;
            continue;
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
        put(record, step->slot, value);
    }
    if (offset > end || (reader->ends == ENDS_THERE && offset != end) || (reader->ends == ENDS_SOON && end - offset > 7))
        goto strange;
    *after = reader->ends == GOES_ON ? offset : end;
    if (fill_absent(reader, record) < 0)
        goto strange;
    return record;
strange:
    if (PyErr_Occurred())
        PyErr_Clear();
    Py_DECREF(record);
    return NULL;
}
