/* Messages that are written whole: one copy of a template, and the values that vary.
 *
 * A controller says the same thousands of times a second with other numbers: a flow modification with a match on these
 * fields and one action of that class. From the first one of such a shape a template of the whole message is made, with
 * a list of what goes where. The next ones need no steps, and nothing in them is looked for.
 *
 * A record is of a shape if its match has the same names in the same order, without masks, its only list that is not
 * empty has one member of the same class, and fields that the version does not have are not set. Whatever is
 * otherwise, or does not fit, is written step by step.
 */
#include "match.h"
#include "writer.h"

#define MOST 256 /* octets */
#define SHAPES 64 /* that are made for one writer: who goes on inventing some gains nothing */

struct Whole {
    PyTypeObject *member;
    Py_ssize_t list, match;    /* slots */
    Py_ssize_t empty;          /* of another list, 0 for none */
    PyObject *none;            /* what that has */
    const Plan *plan;
    int names, at;             /* where the match is */
    PyObject *name[FIELDS];
    int own, fields;           /* those of the record, and all, with the member's */
    Field field[32];           /* `at` counts from the message's beginning */
    Py_ssize_t size;
    uint8_t template[MOST + 16];
};

static PyObject *
only(PyObject *list)
{
    if (list == NULL)
        return NULL;
    if (PyList_CheckExact(list))
        return PyList_GET_SIZE(list) == 1 ? PyList_GET_ITEM(list, 0) : NULL;
    return PyTuple_CheckExact(list) && PyTuple_GET_SIZE(list) == 1 ? PyTuple_GET_ITEM(list, 0) : NULL;
}

static inline int
fill(const Field *field, const Field *end, PyObject *record, uint8_t *p)
{
    for (; field < end; field++) {
        PyObject *value = SLOT(record, field->slot);
        if (LIKELY(value == field->same))
            continue;
        if (UNLIKELY(value == NULL) || write_field(field, record, value, p + field->at) < 0)
            return -1;
    }
    return 0;
}

static int
write_as(const Writer *writer, const Whole *whole, PyObject *record, Buffer *buffer, uint32_t xid)
{
    PyObject *values[FIELDS], *match = SLOT(record, whole->match), *member = only(SLOT(record, whole->list));
    if (member == NULL || !Py_IS_TYPE(member, whole->member) || match == NULL
        || (whole->empty != 0 && SLOT(record, whole->empty) != whole->none)
        || segue_match_values(match, whole->name, whole->names, values) < 0)
        return -1;
    for (const Absent *absent = writer->absent; absent < writer->absent + writer->absents; absent++)
        if (SLOT(record, absent->slot) != absent->same)
            return -1;
    uint8_t *p = append_template(buffer, whole->template, whole->size);
    if (p == NULL || segue_plan_fill(whole->plan, values, p + whole->at) < 0
        || fill(whole->field, whole->field + whole->own, record, p) < 0
        || fill(whole->field + whole->own, whole->field + whole->fields, member, p) < 0)
        return -1;
    store_be32(p + writer->xid_at, xid);
    return 0;
}

int
segue_write_whole(const Writer *writer, PyObject *record, Buffer *buffer, uint32_t xid)
{
    Py_ssize_t before = buffer->len;
    for (int n = 0; n < writer->wholes; n++) {
        if (LIKELY(write_as(writer, writer->whole[n], record, buffer, xid) == 0))
            return 0;
        buffer->len = before;
    }
    return -1;
}

/* -- learning ------------------------------------------------------------------------------------------------ */

/* Takes over a run's fields, and puts their defaults where values of the first message are. */
static int
add_run(Whole *whole, const Step *run, Py_ssize_t at)
{
    for (const Field *field = run->field; field < run->field + run->fields; field++) {
        if (whole->fields == (int)(sizeof(whole->field) / sizeof(*whole->field)) || field->op == OP_TEXT
            || field->op == OP_BLOB || field->op == OP_BITS)
            return -1;
        memcpy(whole->template + at + field->at, run->octets + field->at, field->op == OP_PORT16 ? 2 : field->size);
        whole->field[whole->fields] = *field;
        whole->field[whole->fields++].at = (uint16_t)(at + field->at);
    }
    return 0;
}

static Py_ssize_t
add_member(Whole *whole, const Step *step, PyObject *member, Py_ssize_t at)
{
    if (step->type != (PyObject *)Py_TYPE(member) || !Writer_Check(step->writer))
        return -1;
    const Writer *writer = (const Writer *)step->writer;
    if (writer->steps < 1 || writer->step[0].op != OP_RUN || writer->absents > 0 || writer->padded
        || (writer->steps == 2 && (writer->step[1].op != OP_ALIGN || writer->step[0].length % 8 != 0))
        || writer->steps > 2 || at + writer->step[0].length > whole->size || add_run(whole, &writer->step[0], at) < 0)
        return -1;
    whole->member = Py_TYPE(member);
    return at + writer->step[0].length;
}

/* The record that stands around actions: a run, and they. */
static Py_ssize_t
add_applied(Whole *whole, const Step *step, PyObject *member, Py_ssize_t at)
{
    if (step->writer == NULL || !Writer_Check(step->writer))
        return -1;
    const Writer *writer = (const Writer *)step->writer;
    if (writer->steps < 2 || writer->step[0].op != OP_RUN || writer->step[0].fields > 0 || writer->padded
        || writer->step[1].op != OP_MANY || writer->step[1].sized != 0
        || (writer->steps == 3 && writer->step[2].op != OP_ALIGN) || writer->steps > 3)
        return -1;
    Py_ssize_t after = add_member(whole, &writer->step[1], member, at + writer->step[0].length);
    return after < 0 || (after - at) % 8 != 0 ? -1 : after;
}

static int
learn(const Writer *writer, PyObject *record, Whole *whole)
{
    Py_ssize_t at = 0;
    PyObject *const *names;
    for (const Step *step = writer->step; step < writer->step + writer->steps; step++) {
        PyObject *value = step->slot == 0 ? NULL : SLOT(record, step->slot);
        if (step->op == OP_RUN) {
            if (whole->member != NULL || at + step->length > whole->size || add_run(whole, step, at) < 0)
                return -1;
            whole->own = whole->fields;
            at += step->length;
        }
        else if (step->sized != 0)
            return -1;
        else if (step->op == OP_MATCH && whole->plan == NULL) {
            whole->plan = segue_plan_of((Matches *)step->of, value, &names);
            if (whole->plan == NULL || at + whole->plan->size > whole->size)
                return -1;
            whole->match = step->slot;
            whole->at = (int)at;
            whole->names = (int)PyObject_Size(value); /* a dict's, or a Match's */
            memcpy(whole->name, names, (size_t)whole->names * sizeof(PyObject *));
            memcpy(whole->template + at, whole->plan->template, (size_t)whole->plan->size);
            at += whole->plan->size;
        }
        else if (step->op == OP_MANY || step->op == OP_APPLY) {
            PyObject *member = only(value);
            if (value == step->same && whole->empty == 0) {
                whole->empty = step->slot;
                whole->none = value;
            }
            else if (member == NULL || whole->member != NULL)
                return -1;
            else {
                at = step->op == OP_MANY ? add_member(whole, step, member, at) : add_applied(whole, step, member, at);
                whole->list = step->slot;
                if (at < 0)
                    return -1;
            }
        }
        else
            return -1;
    }
    return at == whole->size && whole->plan != NULL && whole->member != NULL ? 0 : -1;
}

/* Its references are taken when it is known to be one. */
static void
hold(const Whole *whole)
{
    Py_INCREF(whole->member);
    Py_XINCREF(whole->none);
    Py_INCREF((PyObject *)whole->plan);
    for (int n = 0; n < whole->names; n++)
        Py_INCREF(whole->name[n]);
    for (int n = 0; n < whole->fields; n++)
        if (whole->field[n].same != NOTHING)
            Py_INCREF(whole->field[n].same);
}

static void
drop(Whole *whole)
{
    for (int n = 0; n < whole->fields; n++)
        if (whole->field[n].same != NOTHING)
            Py_DECREF(whole->field[n].same);
    for (int n = 0; n < whole->names; n++)
        Py_DECREF(whole->name[n]);
    Py_DECREF((PyObject *)whole->plan);
    Py_XDECREF(whole->none);
    Py_DECREF(whole->member);
    PyMem_Free(whole);
}

/* Whether it is worth a closer look; most messages are not. */
static int
hopeful(const Writer *writer, PyObject *record)
{
    int matches = 0;
    for (const Step *step = writer->step; step < writer->step + writer->steps; step++) {
        if (step->op == OP_MATCH)
            matches++;
        else if (step->op == OP_MANY || step->op == OP_APPLY) {
            PyObject *list = SLOT(record, step->slot);
            if (list != step->same && only(list) == NULL)
                return 0;
        }
        else if (step->op != OP_RUN)
            return 0;
    }
    return matches == 1;
}

void
segue_learn_whole(Writer *writer, PyObject *record, const Buffer *buffer, Py_ssize_t start)
{
    Py_ssize_t size = buffer->len - start;
    if (writer->made >= SHAPES || writer->padded || writer->xid_at == 0 || size > MOST || !hopeful(writer, record))
        return;
    Whole seen = {.size = size};
    memcpy(seen.template, buffer->p + start, (size_t)size);
    Whole *whole = learn(writer, record, &seen) < 0 ? NULL : PyMem_Malloc(sizeof(Whole));
    if (whole == NULL)
        return;
    *whole = seen;
    hold(whole);
    int place = writer->made++ % WHOLES;
    if (place < writer->wholes)
        drop(writer->whole[place]);
    else
        writer->wholes++;
    writer->whole[place] = whole;
}

void
segue_forget_wholes(Writer *writer)
{
    while (writer->wholes > 0)
        drop(writer->whole[--writer->wholes]);
}
