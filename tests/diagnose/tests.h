/* The groups of tests in this folder's binary; each returns the number of failed tests. */
#ifndef EBB_TESTS_DIAGNOSE_TESTS_H
#define EBB_TESTS_DIAGNOSE_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int test_trend(void);
int test_containers(void);
int test_forecast(void);
int test_report(void);
int test_go(void);

#endif
