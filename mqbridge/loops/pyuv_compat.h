/* pyuv 1.4.0 on Python 3.10 and newer, unmodified: the compiler reads this before each of its files.

       CFLAGS="-include pyuv_compat.h"

   Each name is one that newer headers lack, or no longer allow to be assigned to. */

#ifndef MQBRIDGE_PYUV_COMPAT_H
#define MQBRIDGE_PYUV_COMPAT_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

/* 3.10: a function, which cannot be assigned to; pyuv sets the count of a handle that outlives its last reference. */
#undef Py_REFCNT
#define Py_REFCNT(object) (((PyObject *)(object))->ob_refcnt)

/* 3.9: does nothing; 3.13: gone. */
#undef PyEval_InitThreads
#define PyEval_InitThreads() ((void)0)

/* 3.12: gone. Together they say: this str, in UTF-8. */
#undef PyUnicode_AS_UNICODE
#undef PyUnicode_GET_SIZE
#undef PyUnicode_EncodeUTF8
#define PyUnicode_AS_UNICODE(text) (text)
#define PyUnicode_GET_SIZE(text) 0
#define PyUnicode_EncodeUTF8(text, size, errors) PyUnicode_AsEncodedString((text), "utf-8", (errors))

#endif
