/* Readers: what one is made of, for reader.c which runs them and reader_type.c which makes them. */
#ifndef SEGUE_READER_H
#define SEGUE_READER_H

#include "core.h"

enum {
    OP_RUN,     /* size: octets of items of fixed size, which must be there */
    OP_UINT,    /* at, size: a number */
    OP_PORT16,  /* at */
    OP_TEXT,    /* at, size */
    OP_BLOB,    /* at, size */
    OP_BITS,    /* at; of: the name of the second field */
    OP_LENGTH,  /* at: the record's own length; the last step of its run */
    OP_SIZE,    /* at; size: which later item's size this is; of: in elements of how many octets */
    OP_DATA,    /* octets as they are */
    OP_ALIGN,   /* to a multiple of eight */
    OP_END,     /* the same at a record's end, where it may be left out */
    OP_MATCH,   /* of: Matches */
    OP_IN_PORT, /* the same; of: (Matches, name): its `in_port` is a field besides */
    OP_MANY,    /* of: Family */
    OP_TRAILER, /* of: Family, aligned if there is anything */
    OP_ONE,     /* of: the Reader of a record without a family */
    OP_LIST,    /* the same, for as many as there are */
    OP_PYTHON,  /* of: ((bytes, offset, end) -> (value, ..., after), names) */
    OPS
};

/* What a record ends with. */
enum {
    ENDS_THERE, /* exactly where it was said to */
    ENDS_SOON,  /* up to seven octets of padding before that, which its own length counts */
    GOES_ON,    /* where its items end */
};

#define SIZES 4
#define VALUES 6

typedef struct {
    uint8_t op;
    uint8_t sized; /* which place has the size of this item, from one on */
    uint16_t size;
    uint16_t at;
    Py_ssize_t slot;
    Py_ssize_t others[VALUES]; /* more slots */
    uint64_t usual;            /* the field's default, and the object */
    PyObject *same;
    PyObject *of;
} Step;

typedef struct {
    Py_ssize_t slot;
    PyObject *value; /* NULL: an empty dict of its own */
} Absent;

struct Reader {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyTypeObject *record;
    Maker *maker; /* of the record's class, or NULL */
    PyObject *make;
    PyObject *fallback;
    Py_ssize_t steps, absents;
    int ends;
    Step *step;
    Absent *absent;
};

/* A tuple in the making, without an allocation for the few that are usual. */
typedef struct {
    Py_ssize_t count;
    PyObject *first[16];
    PyObject *more; /* a list, when that was not enough */
} Several;

/* Adds an object, which becomes the tuple's; -1 without memory, or without an object. */
int segue_add(Several *several, PyObject *object);
/* The tuple, or NULL when `whole` says that it has become nothing. */
PyObject *segue_finish(Several *several, int whole);

extern PyObject *segue_zero;

#endif
