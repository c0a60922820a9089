/* Saved profiles, in time order, as evidence. Internal to the collect room. */
#ifndef EBB_TOOL_COLLECT_FILES_H
#define EBB_TOOL_COLLECT_FILES_H

#include "tool/collect/target.h"

struct ebb_files;

/* Reads every file: pprof or legacy heap profiles of one program. Errors name the file. */
int ebb__files_open(char *const *paths, size_t count, struct ebb_files **files,
                    struct ebb_error *error);
void ebb__files_close(struct ebb_files *files); /* NULL is fine */
struct ebb_evidence *ebb__files_evidence(struct ebb_files *files);

/* The newest file's profile; "heap" and "allocs" differ in the default type only. */
int ebb__files_profile(struct ebb_files *files, const char *name, struct ebb_profile **profile,
                       struct ebb_error *error);

#endif
