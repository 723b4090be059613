/* test: what every unit test includes: cmocka with the headers that it wants first. */
#ifndef ERLGATE_TESTS_UNIT_TEST_H
#define ERLGATE_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#endif
