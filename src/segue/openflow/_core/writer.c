/* Writers: a record's layout as a list of steps, and what runs them.
 *
 * core_programs.py turns the declaration into steps. Neighbouring items of fixed size are one run: a template of octets
 * in which constants and the fields' defaults stand already, followed by a step per field. A field that still has its
 * default, the same object, needs no more than that comparison; most fields of most messages do.
 */
#include "writer.h"

char segue_nothing;

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

static int
write_steps(Writer *writer, PyObject *record, Buffer *buffer, uint32_t xid, int depth)
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

int
segue_write(Writer *writer, PyObject *record, Buffer *buffer, uint32_t xid, int depth)
{
    const Py_ssize_t start = buffer->len;
    if (writer->wholes > 0 && depth == 0) {
        if (LIKELY(segue_write_whole(writer, record, buffer, xid) == 0))
            return 0;
        buffer->len = start;
    }
    if (write_steps(writer, record, buffer, xid, depth) < 0)
        return -1;
    if (depth == 0)
        segue_learn_whole(writer, record, buffer, start);
    return 0;
}
