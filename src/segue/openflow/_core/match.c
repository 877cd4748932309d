/* Matches: OpenFlow 1.5.1 section 7.2.3, and the structs of 1.0 and 1.1.
 *
 * Writing. A controller says matches of the same few shapes again and again, a shape being the names of the fields in
 * their order and which of them have masks. For each shape core_match.py makes a plan: all octets that do not depend on
 * values (headers, wildcards, padding), and the holes where values go. The names in a program are the same
 * objects each time (literals are interned), so a shape is recognised by comparing pointers.
 *
 * Reading. The headers of OpenFlow 1.2's TLVs that are four octets long are in a hash table; a match with any other one
 * (an experimenter's, an unknown one) is read by `match.decode_match`, as are the structs of 1.0 and 1.1.
 */
#include "match.h"

enum {
    PLAIN,
    MASKED,
    NARROW_PORT,
    VLAN,
    SHIFTED,
    /* What PLAIN becomes for the usual sizes. */
    PLAIN32,
    PLAIN48,
};

#define SHAPES 8
#define HEADERS 1024

typedef struct {
    int count;
    uint32_t masked; /* a bit for each field with a mask */
    PyObject *names[FIELDS];
    Plan *plan; /* NULL: Python writes it */
} Shape;

typedef struct {
    uint32_t header;
    uint8_t size, masked;
    uint64_t limit;
    PyObject *name;
} Known;

struct Matches {
    PyObject_HEAD
    PyObject *plan;   /* (names, masked) -> the ingredients of a Plan, or None */
    PyObject *encode; /* match -> bytes */
    PyObject *decode; /* (bytes, offset, end) -> (match, after) */
    PyObject *plans;  /* (names, masked) -> Plan or None */
    PyObject *in_port;
    int next;         /* where the next shape goes */
    Shape shapes[SHAPES];
    Known *known;     /* NULL: Python reads everything */
};

/* -- plans --------------------------------------------------------------------------------------------------- */

static void
plan_dealloc(Plan *self)
{
    PyMem_Free(self->hole);
    PyMem_Free(self->need);
    PyMem_Free(self->template);
    PyObject_Free(self);
}

static PyTypeObject Plan_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.openflow._core.Plan",
    .tp_basicsize = sizeof(Plan),
    .tp_dealloc = (destructor)plan_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};

/* From (template, ((at, size, form, from, limit), ...), ((from, (value, ...)), ...)). */
static PyObject *
plan_new(PyObject *made, Py_ssize_t count)
{
    PyObject *template, *holes, *needs;
    if (!PyArg_ParseTuple(made, "SO!O!", &template, &PyTuple_Type, &holes, &PyTuple_Type, &needs))
        return NULL;
    Plan *self = PyObject_New(Plan, &Plan_Type);
    if (self == NULL)
        return NULL;
    self->size = PyBytes_GET_SIZE(template);
    self->holes = (int)PyTuple_GET_SIZE(holes);
    self->needs = (int)PyTuple_GET_SIZE(needs);
    self->hole = PyMem_Calloc((size_t)self->holes + 1, sizeof(Hole));
    self->need = PyMem_Calloc((size_t)self->needs + 1, sizeof(Need));
    self->template = make_template(PyBytes_AS_STRING(template), self->size);
    if (self->hole == NULL || self->need == NULL || self->template == NULL) {
        PyErr_NoMemory();
        goto error;
    }
    for (int n = 0; n < self->holes; n++) {
        int at, size, form, from;
        unsigned long long limit;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(holes, n), "iiiiK", &at, &size, &form, &from, &limit))
            goto error;
        if (at < 0 || size < 1 || size > 8 || at + (form == MASKED ? 2 * size : size) > self->size || from < 0
            || from >= count) {
            PyErr_SetString(PyExc_ValueError, "a hole outside of its template");
            goto error;
        }
        if (form == PLAIN && (size == 4 || size == 6))
            form = size == 4 ? PLAIN32 : PLAIN48;
        self->hole[n] = (Hole){(uint16_t)at, (uint8_t)size, (uint8_t)form, (uint16_t)from, limit};
    }
    for (int n = 0; n < self->needs; n++) {
        int from;
        PyObject *some;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(needs, n), "iO!", &from, &PyTuple_Type, &some))
            goto error;
        if (from < 0 || from >= count || PyTuple_GET_SIZE(some) > 6) {
            PyErr_SetString(PyExc_ValueError, "a prerequisite that cannot be looked at");
            goto error;
        }
        self->need[n].from = (uint16_t)from;
        self->need[n].count = (uint16_t)PyTuple_GET_SIZE(some);
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(some); i++) {
            if (as_uint(PyTuple_GET_ITEM(some, i), &self->need[n].some[i]) < 0) {
                PyErr_SetString(PyExc_ValueError, "a prerequisite that is no number");
                goto error;
            }
        }
    }
    return (PyObject *)self;
error:
    Py_DECREF(self);
    return NULL;
}

/* Puts values into the holes of a copy of the template; -1 for those that it is not for. */
int
segue_plan_fill(const Plan *plan, PyObject *const *values, uint8_t *start)
{
    for (const Need *need = plan->need; need < plan->need + plan->needs; need++) {
        uint64_t value;
        int n = 0;
        if (as_uint(values[need->from], &value) < 0)
            return -1;
        while (n < need->count && need->some[n] != value)
            n++;
        if (n == need->count)
            return -1;
    }
    for (const Hole *hole = plan->hole; hole < plan->hole + plan->holes; hole++) {
        PyObject *given = values[hole->from];
        uint8_t *p = start + hole->at;
        uint64_t value, mask;
        if (hole->form == MASKED) {
            if (as_uint(PyTuple_GET_ITEM(given, 0), &value) < 0 || as_uint(PyTuple_GET_ITEM(given, 1), &mask) < 0
                || value > hole->limit || !fits(mask, hole->size) || (value & ~mask))
                return -1;
            store_be(p, value, hole->size);
            store_be(p + hole->size, mask, hole->size);
            continue;
        }
        if (as_uint(given, &value) < 0 || value > hole->limit)
            return -1;
        switch (hole->form) {
        case PLAIN32:
            store_be32(p, value);
            continue;
        case PLAIN48:
            store_be(p, value, 6);
            continue;
        case NARROW_PORT:
            if (narrow_port(value, &value) < 0)
                return -1;
            break;
        case VLAN: /* 0 is "no tag"; else the thirteenth bit says that there is one */
            if (value == 0)
                value = 0xffff;
            else if (value & 0x1000)
                value &= 0xfff;
            else
                return -1;
            break;
        case SHIFTED:
            value <<= 2;
            break;
        }
        store_be(p, value, hole->size);
    }
    return 0;
}

static int
plan_write(const Plan *plan, PyObject *const *values, Buffer *buffer)
{
    uint8_t *start = append_template(buffer, plan->template, plan->size);
    return start == NULL ? -1 : segue_plan_fill(plan, values, start);
}

/* -- writing ------------------------------------------------------------------------------------------------- */

/* Of the mappings whose fields can be looked at without running anything; -1 for others. */
static Py_ssize_t
size_of(PyObject *match)
{
    return Py_IS_TYPE(match, &Match_Type) ? Py_SIZE(match) : PyDict_CheckExact(match) ? PyDict_GET_SIZE(match) : -1;
}

static int
next_field(PyObject *match, Py_ssize_t *position, PyObject **name, PyObject **value)
{
    if (!Py_IS_TYPE(match, &Match_Type))
        return PyDict_Next(match, position, name, value);
    MatchMap *map = (MatchMap *)match;
    if (*position >= Py_SIZE(map))
        return 0;
    *name = PyTuple_GET_ITEM(map->names, *position);
    *value = map->value[(*position)++];
    return 1;
}

/* The plan of a shape that is not among the last ones; a borrowed reference, Py_None where there is none. */
static PyObject *
find_plan(Matches *self, PyObject *const *names, int count, uint32_t masked)
{
    int interned = 1;
    PyObject *tuple = PyTuple_New(count);
    if (tuple == NULL)
        return NULL;
    for (int n = 0; n < count; n++) {
        interned &= PyUnicode_CHECK_INTERNED(names[n]) != 0;
        Py_INCREF(names[n]);
        PyTuple_SET_ITEM(tuple, n, names[n]);
    }
    PyObject *plan = NULL, *made = NULL, *key = Py_BuildValue("(OI)", tuple, masked);
    Py_DECREF(tuple);
    if (key == NULL)
        return NULL;
    plan = PyDict_GetItemWithError(self->plans, key);
    if (plan == NULL && !PyErr_Occurred()) {
        made = PyObject_Call(self->plan, key, NULL);
        if (made != NULL && made != Py_None)
            Py_SETREF(made, plan_new(made, count));
        if (made != NULL) {
            /* Plans of shapes that somebody goes on inventing are not kept for ever. */
            if (PyDict_GET_SIZE(self->plans) >= 4096)
                PyDict_Clear(self->plans);
            if (PyDict_SetItem(self->plans, key, made) == 0)
                plan = made;
            Py_DECREF(made);
        }
    }
    Py_DECREF(key);
    if (plan == NULL || !interned)
        return plan;
    Shape old = self->shapes[self->next], *shape = &self->shapes[self->next];
    self->next = (self->next + 1) % SHAPES;
    shape->count = count;
    shape->masked = masked;
    for (int n = 0; n < count; n++) {
        Py_INCREF(names[n]);
        shape->names[n] = names[n];
    }
    shape->plan = NULL;
    if (plan != Py_None) {
        Py_INCREF(plan);
        shape->plan = (Plan *)plan;
    }
    for (int n = 0; n < old.count; n++)
        Py_DECREF(old.names[n]);
    Py_XDECREF(old.plan);
    return plan;
}

int
segue_write_match(Matches *self, PyObject *match, Buffer *buffer)
{
    PyObject *names[FIELDS], *values[FIELDS];
    Py_ssize_t before = buffer->len, size = size_of(match);
    if (size >= 0 && size <= FIELDS) {
        int count = 0;
        uint32_t masked = 0;
        Py_ssize_t position = 0;
        while (count < size && next_field(match, &position, &names[count], &values[count])) {
            PyObject *value = values[count];
            if (!PyUnicode_CheckExact(names[count]))
                goto python;
            if (PyTuple_CheckExact(value)) {
                if (PyTuple_GET_SIZE(value) != 2 || !PyLong_CheckExact(PyTuple_GET_ITEM(value, 0))
                    || !PyLong_CheckExact(PyTuple_GET_ITEM(value, 1)))
                    goto python;
                masked |= 1U << count;
            }
            else if (!PyLong_CheckExact(value))
                goto python;
            count++;
        }
        Plan *plan = NULL;
        for (Shape *shape = self->shapes; shape < self->shapes + SHAPES; shape++) {
            int n = 0;
            if (shape->count != count || shape->masked != masked)
                continue;
            while (n < count && shape->names[n] == names[n])
                n++;
            if (n == count) {
                plan = shape->plan;
                if (plan == NULL)
                    goto python;
                break;
            }
        }
        if (plan == NULL) {
            /* Making a plan is Python code, which could do anything to the match. */
            for (int n = 0; n < count; n++) {
                Py_INCREF(names[n]);
                Py_INCREF(values[n]);
            }
            PyObject *found = find_plan(self, names, count, masked);
            Py_XINCREF(found);
            int written = found == NULL || found == Py_None ? -1 : plan_write((Plan *)found, values, buffer);
            Py_XDECREF(found);
            for (int n = 0; n < count; n++) {
                Py_DECREF(names[n]);
                Py_DECREF(values[n]);
            }
            if (PyErr_Occurred())
                PyErr_Clear();
            if (written == 0)
                return 0;
        }
        else if (plan_write(plan, values, buffer) == 0)
            return 0;
        buffer->len = before;
    }
python:;
    int result = -1;
    PyObject *octets = PyObject_CallOneArg(self->encode, match);
    if (octets == NULL)
        PyErr_Clear();
    else if (PyBytes_CheckExact(octets))
        result = append(buffer, PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets));
    Py_XDECREF(octets);
    return result;
}

int
segue_match_values(PyObject *match, PyObject *const *names, int count, PyObject **values)
{
    Py_ssize_t position = 0;
    if (LIKELY(Py_IS_TYPE(match, &Match_Type))) {
        MatchMap *map = (MatchMap *)match;
        if (Py_SIZE(map) != count)
            return -1;
        for (int n = 0; n < count; n++) {
            if (PyTuple_GET_ITEM(map->names, n) != names[n] || !PyLong_CheckExact(map->value[n]))
                return -1;
            values[n] = map->value[n];
        }
        return 0;
    }
    PyObject *name;
    if (!PyDict_CheckExact(match) || PyDict_GET_SIZE(match) != count)
        return -1;
    for (int n = 0; n < count; n++)
        if (!PyDict_Next(match, &position, &name, &values[n]) || name != names[n] || !PyLong_CheckExact(values[n]))
            return -1;
    return 0;
}

const Plan *
segue_plan_of(const Matches *self, PyObject *match, PyObject *const **names)
{
    PyObject *values[FIELDS];
    for (const Shape *shape = self->shapes; shape < self->shapes + SHAPES; shape++)
        if (shape->masked == 0 && shape->plan != NULL
            && segue_match_values(match, shape->names, shape->count, values) == 0) {
            *names = shape->names;
            return shape->plan;
        }
    return NULL;
}

/* -- reading ------------------------------------------------------------------------------------------------- */

static inline uint32_t
place(uint32_t header)
{
    return (header * 2654435761U) >> 22;
}

static const Known *
find_header(const Matches *self, uint32_t header)
{
    for (uint32_t at = place(header);; at = (at + 1) % HEADERS) {
        const Known *known = &self->known[at];
        if (known->name == NULL || known->header == header)
            return known->name == NULL ? NULL : known;
    }
}

static PyObject *
read_wide(const uint8_t *p, int size)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyLong_FromUnsignedNativeBytes(p, (size_t)size, Py_ASNATIVEBYTES_BIG_ENDIAN);
#else
    return _PyLong_FromByteArray(p, (size_t)size, 0, 0);
#endif
}

static int
covered(const uint8_t *value, const uint8_t *mask, int size)
{
    for (int n = 0; n < size; n++)
        if (value[n] & ~mask[n])
            return 0;
    return 1;
}

static PyObject *
read_tlvs(const Matches *self, const Input *in, Py_ssize_t offset, Py_ssize_t end)
{
    PyObject *match = PyDict_New();
    Py_ssize_t count = 0;
    if (match == NULL)
        return NULL;
    while (offset < end) {
        const Known *known = end - offset < 4 ? NULL : find_header(self, (uint32_t)load_be(in->p + offset, 4));
        if (known == NULL)
            goto strange;
        const uint8_t *p = in->p + offset + 4;
        int size = known->size;
        offset += 4 + (size << known->masked);
        if (offset > end || (known->masked && !covered(p, p + size, size)))
            goto strange;
        PyObject *value;
        if (size > 8)
            value = read_wide(p, size);
        else {
            uint64_t number = load_be(p, size);
            if (number > known->limit)
                goto strange;
            value = PyLong_FromUnsignedLongLong(number);
        }
        if (known->masked && value != NULL) {
            PyObject *mask = size > 8 ? read_wide(p + size, size) : PyLong_FromUnsignedLongLong(load_be(p + size, size));
            PyObject *both = mask == NULL ? NULL : PyTuple_Pack(2, value, mask);
            Py_XDECREF(mask);
            Py_SETREF(value, both);
        }
        if (value == NULL)
            goto strange;
        int kept = PyDict_SetItem(match, known->name, value);
        Py_DECREF(value);
        if (kept < 0 || PyDict_GET_SIZE(match) != ++count) /* a field that is there twice */
            goto strange;
    }
    return match;
strange:
    Py_DECREF(match);
    return NULL;
}

PyObject *
segue_read_match(Matches *self, const Input *in, Py_ssize_t offset, Py_ssize_t end, Py_ssize_t *after, int depth)
{
    if (self->known != NULL && end - offset >= 8 && load_be(in->p + offset, 2) == 1) {
        Py_ssize_t length = (Py_ssize_t)load_be(in->p + offset + 2, 2);
        *after = offset + ((length + 7) & ~(Py_ssize_t)7);
        if (length >= 4 && *after <= end) {
            PyObject *match = read_tlvs(self, in, offset + 4, offset + length);
            if (match != NULL)
                return match;
            if (PyErr_Occurred())
                PyErr_Clear();
        }
    }
    PyObject *match = NULL, *found = segue_call_reader(self->decode, in, offset, end, depth);
    if (found == NULL)
        return NULL;
    if (PyTuple_CheckExact(found) && PyTuple_GET_SIZE(found) == 2) {
        *after = PyLong_AsSsize_t(PyTuple_GET_ITEM(found, 1));
        if (*after >= offset && *after <= end) {
            match = PyTuple_GET_ITEM(found, 0);
            Py_INCREF(match);
        }
    }
    Py_DECREF(found);
    if (match == NULL && PyErr_Occurred())
        PyErr_Clear();
    return match;
}

/* -- the type ------------------------------------------------------------------------------------------------ */

static int
matches_traverse(Matches *self, visitproc visit, void *arg)
{
    Py_VISIT(self->plan);
    Py_VISIT(self->encode);
    Py_VISIT(self->decode);
    Py_VISIT(self->plans);
    return 0;
}

static int
matches_clear(Matches *self)
{
    Py_CLEAR(self->plan);
    Py_CLEAR(self->encode);
    Py_CLEAR(self->decode);
    Py_CLEAR(self->plans);
    return 0;
}

static void
matches_dealloc(Matches *self)
{
    PyObject_GC_UnTrack(self);
    matches_clear(self);
    for (Shape *shape = self->shapes; shape < self->shapes + SHAPES; shape++) {
        for (int n = 0; n < shape->count; n++)
            Py_DECREF(shape->names[n]);
        Py_XDECREF(shape->plan);
    }
    for (int n = 0; self->known != NULL && n < HEADERS; n++)
        Py_XDECREF(self->known[n].name);
    PyMem_Free(self->known);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
matches_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"plan", "encode", "decode", "headers", NULL};
    PyObject *plan, *encode, *decode, *headers;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO:Matches", keywords, &plan, &encode, &decode, &headers))
        return NULL;
    Matches *self = (Matches *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    for (int n = 0; n < SHAPES; n++)
        self->shapes[n].count = 0, self->shapes[n].masked = 1; /* a shape that no match has */
    self->plan = Py_NewRef(plan);
    self->encode = Py_NewRef(encode);
    self->decode = Py_NewRef(decode);
    self->plans = PyDict_New();
    if (self->plans == NULL)
        goto error;
    if (headers == Py_None)
        return (PyObject *)self;
    self->known = PyMem_Calloc(HEADERS, sizeof(Known));
    if (self->known == NULL || !PyList_Check(headers) || PyList_GET_SIZE(headers) > HEADERS * 3 / 4) {
        PyErr_SetString(PyExc_ValueError, "headers: a list of less than 768 is wanted");
        goto error;
    }
    for (Py_ssize_t n = 0; n < PyList_GET_SIZE(headers); n++) {
        unsigned int header;
        int size, masked;
        unsigned long long limit;
        PyObject *name;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(headers, n), "IUipK", &header, &name, &size, &masked, &limit))
            goto error;
        if (size < 1 || size > 16) {
            PyErr_SetString(PyExc_ValueError, "a field of this size is not for a table");
            goto error;
        }
        uint32_t at = place(header);
        while (self->known[at].name != NULL)
            at = (at + 1) % HEADERS;
        self->known[at] = (Known){header, (uint8_t)size, (uint8_t)masked, limit, Py_NewRef(name)};
    }
    return (PyObject *)self;
error:
    Py_DECREF(self);
    return NULL;
}

PyTypeObject Matches_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.openflow._core.Matches",
    .tp_basicsize = sizeof(Matches),
    .tp_dealloc = (destructor)matches_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = PyDoc_STR("The matches of one OpenFlow version."),
    .tp_traverse = (traverseproc)matches_traverse,
    .tp_clear = (inquiry)matches_clear,
    .tp_new = matches_new,
};

int
segue_ready_match(void)
{
    return PyType_Ready(&Plan_Type) < 0 || PyType_Ready(&Matches_Type) < 0 ? -1 : 0;
}
