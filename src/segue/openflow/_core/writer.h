/* Writers: what one is made of, for writer.c which runs them and writer_type.c which makes them. */
#ifndef SEGUE_WRITER_H
#define SEGUE_WRITER_H

#include "core.h"

enum {
    OP_RUN,     /* of: the octets of items of fixed size; the steps up to OP_SIZE that follow are within it */
    OP_UINT,    /* at, size: a number */
    OP_PORT16,  /* at: a port in 16 bits */
    OP_TEXT,    /* at, size */
    OP_BLOB,    /* at, size */
    OP_BITS,    /* at; of: the name of the second field: offset and number of bits */
    OP_TOTAL,   /* at: the record's length, when it is known */
    OP_XID,     /* at */
    OP_SIZE,    /* at; size: which later item's size goes here; of: in elements of how many octets */
    OP_DATA,    /* octets as they are */
    OP_ALIGN,   /* zeros up to a multiple of eight */
    OP_MATCH,   /* of: Matches */
    OP_IN_PORT, /* of: (Matches, name, key): the same, and this field's value as `in_port` if it has none */
    OP_MANY,    /* of: class -> writer */
    OP_TRAILER, /* the same, aligned if there is anything */
    OP_ONE,     /* of: class -> writer, for a single record */
    OP_APPLY,   /* of: (class -> writer, a class): the field is that of one record of this class, which there is if
                   the field is not empty */
    OP_PYTHON,  /* of: record -> bytes; size: 8 if these are to be aligned for themselves */
    OPS,
    /* What OP_UINT becomes, by its size, so that one jump is enough. */
    OP_U8,
    OP_U16,
    OP_U32,
    OP_U48,
    OP_U64
};

#define SIZES 4
#define TOTALS 2

/* A field within a run. They are small and next to one another, as most are only compared. */
typedef struct {
    PyObject *same; /* the default that stands in the template, or &nothing */
    Py_ssize_t slot;
    uint8_t op;
    uint16_t size;
    uint16_t at;
    Py_ssize_t other; /* a second slot */
} Field;

/* A length that is not known yet when its run is written. */
typedef struct {
    uint8_t op;
    uint8_t which;
    uint16_t at;
    Py_ssize_t element;
} Mark;

typedef struct {
    uint8_t op;
    uint8_t sized; /* which place gets the size of this item, from one on */
    uint16_t size;
    Py_ssize_t slot;
    Py_ssize_t other;
    PyObject *same;
    PyObject *of;
    PyObject *type; /* the class of the last member, and its writer */
    PyObject *writer;
    /* of a run */
    uint8_t *octets;
    Py_ssize_t length;
    int fields, marks;
    Field *field;
    Mark *mark;
} Step;

/* A field that the version does not have. */
typedef struct {
    Py_ssize_t slot;
    PyObject *same;
} Absent;

/* A message of some shape; see whole.c. */
typedef struct Whole Whole;
#define WHOLES 4

struct Writer {
    PyObject_HEAD /* as WriterHead */
    vectorcallfunc vectorcall;
    PyTypeObject *record;
    PyObject *make;     /* () -> the generated function */
    PyObject *fallback; /* that, when it was needed once */
    int padded;         /* zeros behind it, which its length does not count */
    int python;         /* whether a step shows the record to Python code */
    Py_ssize_t xid_at;  /* in the first run; 0 for none */
    Py_ssize_t steps, absents;
    Step *step;
    Absent *absent;
    int wholes, made; /* shapes that are kept, and how many there have been */
    Whole *whole[WHOLES];
};

/* What no field is: in the place of a default that there is not. */
extern char segue_nothing;
#define NOTHING ((PyObject *)&segue_nothing)

/* -1 unless the value can stand in its place. */
static inline int
write_field(const Field *field, PyObject *record, PyObject *value, uint8_t *p)
{
    uint64_t number;
    switch (field->op) {
    case OP_U8:
        if (as_uint(value, &number) < 0 || number > 0xff)
            return -1;
        p[0] = (uint8_t)number;
        return 0;
    case OP_U16:
        if (as_uint(value, &number) < 0 || number > 0xffff)
            return -1;
        store_be16(p, number);
        return 0;
    case OP_U32:
        if (as_uint(value, &number) < 0 || number > 0xffffffff)
            return -1;
        store_be32(p, number);
        return 0;
    case OP_U48:
    case OP_U64:
        if (as_uint(value, &number) < 0 || !fits(number, field->size))
            return -1;
        store_be(p, number, field->size);
        return 0;
    case OP_PORT16:
        if (as_uint(value, &number) < 0 || narrow_port(number, &number) < 0)
            return -1;
        store_be(p, number, 2);
        return 0;
    case OP_TEXT: {
        Py_ssize_t size;
        const char *octets = PyUnicode_CheckExact(value) ? PyUnicode_AsUTF8AndSize(value, &size) : NULL;
        if (octets == NULL) {
            PyErr_Clear();
            return -1;
        }
        if (size > field->size)
            return -1;
        memcpy(p, octets, (size_t)size);
        return 0;
    }
    case OP_BLOB:
        if (!PyBytes_CheckExact(value) || PyBytes_GET_SIZE(value) != field->size)
            return -1;
        memcpy(p, PyBytes_AS_STRING(value), field->size);
        return 0;
    default: { /* OP_BITS */
        uint64_t count;
        PyObject *other = SLOT(record, field->other);
        if (other == NULL || as_uint(value, &number) < 0 || as_uint(other, &count) < 0 || number > 1023 || count < 1
            || count > 64)
            return -1;
        store_be(p, number << 6 | (count - 1), 2);
        return 0;
    }
    }
}

/* 0 when the record was of a known shape, and is written. */
int segue_write_whole(const Writer *writer, PyObject *record, Buffer *buffer, uint32_t xid);
/* Remembers the shape of a record that was written, as what is behind `start`, if it is one for that. */
void segue_learn_whole(Writer *writer, PyObject *record, const Buffer *buffer, Py_ssize_t start);
void segue_forget_wholes(Writer *writer);

#endif
