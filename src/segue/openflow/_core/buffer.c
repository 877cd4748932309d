/* Octets that grow, and the slots of records. */
#include "core.h"

int
segue_grow(Buffer *buffer, Py_ssize_t more)
{
    Py_ssize_t room = buffer->room;
    if (more > PY_SSIZE_T_MAX / 4 - buffer->len)
        return -1;
    while (room < buffer->len + more)
        room = room < 256 ? 512 : room * 2;
    if (buffer->bytes != NULL) {
        if (_PyBytes_Resize(&buffer->bytes, room) < 0) {
            PyErr_Clear();
            buffer->p = NULL;
            buffer->len = buffer->room = 0;
            return -1;
        }
        buffer->p = (uint8_t *)PyBytes_AS_STRING(buffer->bytes);
    }
    else {
        uint8_t *heap = PyMem_Realloc(buffer->heap, (size_t)room);
        if (heap == NULL)
            return -1;
        if (buffer->heap == NULL)
            memcpy(heap, buffer->p, (size_t)buffer->len);
        buffer->p = buffer->heap = heap;
    }
    buffer->room = room;
    return 0;
}

void
segue_release(Buffer *buffer)
{
    Py_CLEAR(buffer->bytes);
    PyMem_Free(buffer->heap);
    buffer->heap = NULL;
}

Py_ssize_t
segue_slot(PyTypeObject *record, PyObject *name)
{
    Py_ssize_t offset = -1;
    PyObject *found = PyObject_GetAttr((PyObject *)record, name);
    if (found == NULL)
        return -1;
    if (Py_IS_TYPE(found, &PyMemberDescr_Type) && PyType_IsSubtype(record, PyDescr_TYPE(found))) {
        PyMemberDef *member = ((PyMemberDescrObject *)found)->d_member;
        if (member->type == T_OBJECT_EX)
            offset = member->offset;
    }
    Py_DECREF(found);
    if (offset < 0)
        PyErr_Format(PyExc_TypeError, "%s.%U is not a field with a slot", record->tp_name, name);
    return offset;
}
