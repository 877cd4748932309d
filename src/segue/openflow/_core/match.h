/* Plans of matches, for those who write more than the match at once. */
#ifndef SEGUE_MATCH_H
#define SEGUE_MATCH_H

#include "core.h"

#define FIELDS 16 /* of a match that has a plan */

typedef struct {
    uint16_t at;    /* offset of the value in the template */
    uint8_t size;   /* octets */
    uint8_t form;   /* how the value becomes octets */
    uint16_t from;  /* which value */
    uint64_t limit; /* the largest one */
} Hole;

/* OpenFlow 1.0 and 1.1: a field that means something only when another one has one of these values. */
typedef struct {
    uint16_t from;
    uint16_t count;
    uint64_t some[6];
} Need;

typedef struct {
    PyObject_HEAD
    Py_ssize_t size;
    int holes, needs;
    Hole *hole;
    Need *need;
    uint8_t *template;
} Plan;

/* The fields of a match as a call named them; see mapping.c. */
typedef struct {
    PyObject_VAR_HEAD
    PyObject *names; /* a tuple of str, as many as there are values */
    PyObject *value[];
} MatchMap;

/* Puts values into the holes of a copy of the template; -1 for those that it is not for. */
int segue_plan_fill(const Plan *plan, PyObject *const *values, uint8_t *start);
/* The values, all integers, of a match that has these names in this order; -1 for another one. Borrowed. */
int segue_match_values(PyObject *match, PyObject *const *names, int count, PyObject **values);
/* The plan of a match without masks that was written lately, or NULL, and the names of its shape. Borrowed. */
const Plan *segue_plan_of(const Matches *matches, PyObject *match, PyObject *const **names);

#endif
