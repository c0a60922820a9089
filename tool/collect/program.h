/* A program that runs: the processes behind one target, each with its record. Internal to the
 * collect room. */
#ifndef EBB_TOOL_COLLECT_PROGRAM_H
#define EBB_TOOL_COLLECT_PROGRAM_H

#include "tool/collect/target.h"

struct ebb_program;

/* Starts a command (NULL-terminated words) under the agent and follows what it starts. */
int ebb__program_start(char *const *words, size_t count, const struct ebb_target_options *options,
                       struct ebb_program **program, struct ebb_error *error);
/* Looks at one process, running or gone, by its pid or by the path of its record. */
int ebb__program_attach(pid_t pid, struct ebb_program **program, struct ebb_error *error);
int ebb__program_open_record(const char *path, struct ebb_program **program,
                             struct ebb_error *error);

/* As the functions of target.h with the same endings. */
void ebb__program_close(struct ebb_program *program, bool keep, double grace_s);
int ebb__program_observe(struct ebb_program *program, struct ebb_error *error);
size_t ebb__program_count(const struct ebb_program *program);
struct ebb_evidence *ebb__program_subject(const struct ebb_program *program, size_t index);
int ebb__program_profile(struct ebb_program *program, size_t index, const char *name,
                         struct ebb_profile **profile, struct ebb_error *error);
pid_t ebb__program_pid(const struct ebb_program *program);
bool ebb__program_running(struct ebb_program *program);
int ebb__program_status(const struct ebb_program *program);
void ebb__program_signal(struct ebb_program *program, int signal);

#endif
