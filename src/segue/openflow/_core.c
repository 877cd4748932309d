/* The module: types, and `setup`, by which core.py says what Python objects the core refers to. */
#include "_core/core.h"

PyObject *segue_codec, *segue_protocol_error;

int segue_ready_match(void);
int segue_ready_reader(void);

static PyObject *
setup(PyObject *module, PyObject *args)
{
    PyObject *codec, *error;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO:setup", &codec, &error))
        return NULL;
    Py_INCREF(codec);
    Py_XSETREF(segue_codec, codec);
    Py_INCREF(error);
    Py_XSETREF(segue_protocol_error, error);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"setup", setup, METH_VARARGS, "setup(CODEC, ProtocolError)"},
    {"adopt", segue_adopt, METH_VARARGS, "adopt(class, defaults): makes and releases its instances from now on."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "segue.openflow._core",
    .m_doc = "The compiled core of the OpenFlow library; see core.py.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    PyTypeObject *types[] = {&Writer_Type, &Match_Type, &FrameField_Type, &Pump_Type, NULL};
    if (segue_ready_match() < 0 || segue_ready_reader() < 0)
        return NULL;
    for (PyTypeObject **type = types; *type != NULL; type++)
        if (PyType_Ready(*type) < 0)
            return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    PyTypeObject *offered[] = {&Writer_Type,  &Reader_Type,     &Family_Type, &Matches_Type,
                               &Match_Type,   &FrameField_Type, &Pump_Type,   NULL};
    for (PyTypeObject **type = offered; *type != NULL; type++) {
        if (PyModule_AddType(module, *type) < 0) {
            Py_DECREF(module);
            return NULL;
        }
    }
    return module;
}
