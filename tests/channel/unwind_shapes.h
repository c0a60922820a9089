/* Functions of every shape that compilers make, for the unwinder's tests: each calls `leaf` from a
 * frame of its own kind, and returns something that keeps the call from being a jump. */
#ifndef EBB_TESTS_UNWIND_SHAPES_H
#define EBB_TESTS_UNWIND_SHAPES_H

#ifdef __cplusplus
extern "C" {
#endif

typedef void leaf_function(void);

int shape_recursion(int depth, leaf_function *leaf); /* frames of growing sizes */
int shape_alloca(int depth, leaf_function *leaf);    /* the CFA hangs on the frame pointer */
int shape_aligned(int depth,
                  leaf_function *leaf); /* realigned stack: the CFA is read from memory */
int shape_large(leaf_function *leaf);   /* a frame of many pages */
int shape_many_registers(int seed, leaf_function *leaf);
int shape_sort(leaf_function *leaf); /* through libc */

/* From unwind_shapes_cpp.cc, where a C++ compiler is there. */
int shape_cpp_lambda(leaf_function *leaf);
int shape_cpp_catch(leaf_function *leaf); /* in a handler, and in destructors that run before */
int shape_cpp_sort(leaf_function *leaf);  /* a comparator inside std::sort */
int shape_cpp_virtual(int depth, leaf_function *leaf);

#ifdef __cplusplus
}
#endif

#endif
