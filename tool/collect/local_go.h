/* A Go service that runs on this machine: which process it is, and what the kernel and its file say
 * of it. Internal to the collect room. */
#ifndef EBB_TOOL_COLLECT_LOCAL_GO_H
#define EBB_TOOL_COLLECT_LOCAL_GO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The process that listens at `port` (of any address) and has this command line (arguments with NULs
 * between them, as /debug/pprof/cmdline answers): a forwarder that listens for a service elsewhere
 * is not the service. 0: none that we may look at. O(processes). */
pid_t ebb__local_listener(unsigned port, const char *command_line, size_t size);

/* Whether an address (as text) belongs to this machine. */
bool ebb__is_local_address(const char *address);

/* "go1.19.8" from the executable's build information; "" when it has none. */
void ebb__go_version_of_process(pid_t pid, char version[static 64]);

/* A variable of the environment that the process was started with; false when there is none. */
bool ebb__environment_of_process(pid_t pid, const char *name, char *value, size_t size);

/* "512MiB", "off", "1000" as GOMEMLIMIT means them, in bytes; UINT64_MAX: none. */
uint64_t ebb__go_limit_parse(const char *text);

/* Seconds since the process was started; negative: unknown. */
double ebb__age_of_process(pid_t pid);

#endif
