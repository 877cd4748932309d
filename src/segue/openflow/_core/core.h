/* The compiled core of the OpenFlow library: what its files share.
 *
 * The core does what the generated Python functions do (`generate.py`), for records in the form that is usual: it reads
 * the slots of a message where they are, without looking up attributes, and writes them into a buffer, and the
 * other way round. It makes no decisions of its own about what is wrong. Whatever it meets that is not plainly
 * right (a value of another type or out of its range, a length that lies) it leaves to the generated function, its
 * "fallback", from the beginning of the record on: that one knows the answer or the error. So there is one set of
 * rules, and results and errors are the same with and without a compiler.
 *
 * Inside the core, functions that write or read a record return 0 or an object, and -1 or NULL *without an exception
 * set* for "not plainly right".
 */
#ifndef SEGUE_CORE_H
#define SEGUE_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdint.h>
#include <string.h>

/* What Python objects the core refers to; set once, by core.py. */
extern PyObject *segue_codec;          /* codec.NESTED: `depth` counts how deep readers are nested */
extern PyObject *segue_protocol_error; /* wire.ProtocolError */

/* As codec.DEEPEST: families in families, and messages in messages. */
#define DEEPEST 16

/* -- numbers ------------------------------------------------------------------------------------------------- */

#if defined(__GNUC__)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define LIKELY(x) (x)
#define UNLIKELY(x) (x)
#endif

/* Compilers turn these into one load or store and a swap. */
static inline uint64_t
load_be32(const uint8_t *p)
{
    return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
}

static inline uint64_t
load_be(const uint8_t *p, int size)
{
    uint64_t value = 0;
    switch (size) {
    case 1:
        return p[0];
    case 2:
        return (uint64_t)p[0] << 8 | p[1];
    case 4:
        return load_be32(p);
    case 6:
        return load_be32(p) << 16 | (uint64_t)p[4] << 8 | p[5];
    case 8:
        return load_be32(p) << 32 | load_be32(p + 4);
    default:
        while (size-- > 0)
            value = value << 8 | *p++;
        return value;
    }
}

static inline void
store_be16(uint8_t *p, uint64_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline void
store_be32(uint8_t *p, uint64_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

static inline void
store_be(uint8_t *p, uint64_t value, int size)
{
    switch (size) {
    case 1:
        p[0] = (uint8_t)value;
        break;
    case 2:
        store_be16(p, value);
        break;
    case 4:
        store_be32(p, value);
        break;
    case 6:
        store_be32(p, value >> 16);
        store_be16(p + 4, value);
        break;
    case 8:
        store_be32(p, value >> 32);
        store_be32(p + 4, value);
        break;
    default:
        while (size-- > 0) {
            p[size] = (uint8_t)value;
            value >>= 8;
        }
    }
}

/* The value of a Python int that is within 0 .. 2^64 - 1; -1 for anything else. The interpreter's own conversion
 * (PyLong_AsUnsignedLongLong) takes three times as long, and a flow modification has fifteen numbers. */
static inline int
as_uint(PyObject *object, uint64_t *value)
{
    if (!PyLong_Check(object))
        return -1;
#if PY_VERSION_HEX < 0x030C0000
    const digit *d = ((PyLongObject *)object)->ob_digit;
    switch (Py_SIZE(object)) {
    case 0:
        *value = 0;
        return 0;
    case 1:
        *value = d[0];
        return 0;
    case 2:
        *value = (uint64_t)d[0] | (uint64_t)d[1] << PyLong_SHIFT;
        return 0;
#if PyLong_SHIFT == 30
    case 3: /* cookies of all ones are usual */
        *value = (uint64_t)d[0] | (uint64_t)d[1] << 30 | (uint64_t)d[2] << 60;
        return d[2] < 16 ? 0 : -1;
#endif
    }
    if (Py_SIZE(object) < 0)
        return -1;
#else
    if (PyUnstable_Long_IsCompact((PyLongObject *)object)) {
        Py_ssize_t compact = PyUnstable_Long_CompactValue((PyLongObject *)object);
        *value = (uint64_t)compact;
        return compact < 0 ? -1 : 0;
    }
#endif
    *value = PyLong_AsUnsignedLongLong(object);
    if (*value == (uint64_t)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return -1;
    }
    return 0;
}

/* Whether `value` fits into `size` octets. */
static inline int
fits(uint64_t value, int size)
{
    return size >= 8 || value >> (8 * size) == 0;
}

/* A port in 16 bits, as wire.short_port has it; -1 where it has none. */
static inline int
narrow_port(uint64_t port, uint64_t *narrow)
{
    if (port >= 0xff00 && (port < 0xffffff00 || port > 0xffffffff))
        return -1;
    *narrow = port & 0xffff;
    return 0;
}

/* wire.long_port. */
static inline uint64_t
wide_port(uint64_t port)
{
    return port < 0xff00 ? port : port | 0xffff0000;
}

/* -- output -------------------------------------------------------------------------------------------------- */

/* Octets that grow: in a bytes object that becomes the result as it is, or on the stack, which is faster for one
 * message whose size is not known. */
typedef struct {
    uint8_t *p;
    Py_ssize_t len, room;
    PyObject *bytes;  /* what `p` points into, or NULL */
    uint8_t *heap;    /* or this */
} Buffer;

int segue_grow(Buffer *buffer, Py_ssize_t more); /* -1 without an exception when there is no memory */
void segue_release(Buffer *buffer);

/* Room for `size` octets behind what is there; NULL when there is no memory. */
static inline uint8_t *
extend(Buffer *buffer, Py_ssize_t size)
{
    if (UNLIKELY(size > buffer->room - buffer->len) && segue_grow(buffer, size) < 0)
        return NULL;
    uint8_t *p = buffer->p + buffer->len;
    buffer->len += size;
    return p;
}

static inline int
append(Buffer *buffer, const void *octets, Py_ssize_t size)
{
    uint8_t *p = extend(buffer, size);
    if (p == NULL)
        return -1;
    memcpy(p, octets, (size_t)size);
    return 0;
}

/* As append, for octets that may be read beyond their end, up to a multiple of sixteen: a few moves in place of a call. */
static inline uint8_t *
append_template(Buffer *buffer, const uint8_t *octets, Py_ssize_t size)
{
    if (UNLIKELY(size + 15 > buffer->room - buffer->len) && segue_grow(buffer, size + 15) < 0)
        return NULL;
    uint8_t *p = buffer->p + buffer->len;
    for (Py_ssize_t n = 0; n < size; n += 16)
        memcpy(p + n, octets + n, 16);
    buffer->len += size;
    return p;
}

/* A copy of `size` octets that append_template can take. */
static inline uint8_t *
make_template(const void *octets, Py_ssize_t size)
{
    uint8_t *made = PyMem_Calloc((size_t)size / 16 + 1, 16);
    if (made != NULL)
        memcpy(made, octets, (size_t)size);
    return made;
}

/* Zeros up to a multiple of eight, counted from `start`. */
static inline int
append_padding(Buffer *buffer, Py_ssize_t start)
{
    Py_ssize_t size = -(buffer->len - start) & 7;
    if (size == 0)
        return 0;
    uint8_t *p = extend(buffer, size);
    if (p == NULL)
        return -1;
    memset(p, 0, (size_t)size);
    return 0;
}

/* -- records ------------------------------------------------------------------------------------------------- */

#define SLOT(object, offset) (*(PyObject **)((char *)(object) + (offset)))

/* Where the field `name` of `record` stands in its instances; -1 with an exception. */
Py_ssize_t segue_slot(PyTypeObject *record, PyObject *name);

/* How the records of a class are made and released; see record.c. */
typedef struct Maker Maker;
/* That of a class, NULL if it was not adopted. */
Maker *segue_maker(const PyTypeObject *type);
/* A record whose slots are not set yet, and all must be; NULL without an exception. */
PyObject *segue_take(Maker *maker);
PyObject *segue_adopt(PyObject *module, PyObject *args);

typedef struct Writer Writer;
typedef struct Reader Reader;

/* How a Writer begins, for those who only have to know whether it is the right one. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyTypeObject *record;
} WriterHead;

#define WRITTEN_BY(writer) (((WriterHead *)(writer))->record)

typedef struct Family Family;
typedef struct Matches Matches;

extern PyTypeObject Writer_Type, Reader_Type, Family_Type, Matches_Type, Match_Type, FrameField_Type, Pump_Type;

#define Writer_Check(object) Py_IS_TYPE(object, &Writer_Type)
#define Reader_Check(object) Py_IS_TYPE(object, &Reader_Type)

/* Appends `record`, which is of the writer's type. What was appended before a -1 is the caller's to take back. */
int segue_write(Writer *writer, PyObject *record, Buffer *buffer, uint32_t xid, int depth);

/* What is being read. `bytes` is NULL when the octets are somebody's buffer: then nothing that needs Python can be. */
typedef struct {
    const uint8_t *p;
    PyObject *bytes;
} Input;

/* How deep families are nested is known at the first one. */
#define DEPTH_UNKNOWN (-1)

/* The record from `offset` on, which may not pass `end`; `*after` is where it ends. */
PyObject *segue_read(Reader *reader, const Input *in, Py_ssize_t offset, Py_ssize_t end, Py_ssize_t *after, int depth);
/* The same, made of a record that is given away, if nobody else has that. */
PyObject *segue_read_into(PyObject *old, Reader *reader, const Input *in, Py_ssize_t offset, Py_ssize_t end,
                          Py_ssize_t *after, int depth);
/* A tuple of the members of a family that lie between `offset` and `end`. */
PyObject *segue_read_family(Family *family, const Input *in, Py_ssize_t offset, Py_ssize_t end, int depth);
/* What `function(bytes, offset, end)` returns, with NESTED.depth set. */
PyObject *segue_call_reader(PyObject *function, const Input *in, Py_ssize_t offset, Py_ssize_t end, int depth);

/* Appends the `ofp_match` of a mapping. */
int segue_write_match(Matches *matches, PyObject *match, Buffer *buffer);
/* The dict of the `ofp_match` at `offset`. */
PyObject *segue_read_match(Matches *matches, const Input *in, Py_ssize_t offset, Py_ssize_t end, Py_ssize_t *after,
                           int depth);

#endif
