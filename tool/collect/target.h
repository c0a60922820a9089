/* A target: anything Ebb can look at, behind one interface. Commands do not care which kind it is.
 *
 *     PID                a process that publishes into the channel, or the record a dead one left
 *     FILE...            saved profiles, in time order
 *     http://HOST:PORT   a service that answers /debug/pprof: Go with net/http/pprof, or `ebb serve`
 *     -- CMD ARG...      a program to start under the agent
 *     NAME               what a store holds of a target, with options.store
 *
 * Opening starts nothing but, for `--`, the program. Observing adds to the evidence; a profile can be
 * taken at any time. A target may be several processes (a program that forks): each is a subject
 * with evidence of its own. Not thread-safe. */
#ifndef EBB_TOOL_COLLECT_TARGET_H
#define EBB_TOOL_COLLECT_TARGET_H

#include "base/error.h"
#include "tool/collect/evidence.h"
#include "tool/profile/profile.h"

#include <stdbool.h>

struct ebb_target;

struct ebb_target_options {
    uint64_t period;       /* mean bytes between samples for a started program; 0: 512 KiB */
    bool output_to_stderr; /* a started program's stdout goes to our stderr */
    bool only_parent;      /* do not follow children */
    bool foreground;       /* a started program stays in our process group: it has the terminal, and
                             gets the terminal's signals by itself */
    bool keep_killed; /* when a started program is killed or crashes, its record stays, unread */

    const char *store; /* of `ebb record`: `words` is a name in it, or none for its only target */
    double since_s;    /* of a store: only so much of it, counted from its end; 0: all */

    /* For services over HTTP. */
    double window_s; /* how long one means to look; 0: a single profile is wanted */
    double seconds;  /* how long to gather a profile that is gathered (cpu); 0: 10 */
    bool no_gc;      /* never ask for a collection */
    bool recording;  /* look without end: at memory only, and profiles are those of the last look */
    const char *token; /* a bearer token; NULL: what EBB_TOKEN says */
    const char *ca;    /* file of certificates to trust; NULL: the system's */
    bool insecure;     /* trust every certificate */
    int interrupt;     /* a descriptor: when it can be read, waiting for an answer ends; 0: none */
};

/* `words` are the command line's remaining arguments: one PID, URL or path, several paths, or a
 * command when `is_command`. Errors: no such process, static binary (points to the HTTP way), setuid, not
 * executable, a process that does not publish (says how to start it). */
int ebb_target_open(char *const *words, size_t count, bool is_command,
                    const struct ebb_target_options *options, struct ebb_target **target,
                    struct ebb_error *error);

/* Whether a word is the path of a record in the channel. */
bool ebb_is_record(const char *word);

/* Lets go. A started program that still runs is ended (SIGTERM, after `grace_s` SIGKILL) unless
 * `keep`, and the records of its processes that are gone are removed. */
void ebb_target_close(struct ebb_target *target, bool keep, double grace_s);

/* Looks once: adds an observation to every subject, discovering new ones. 0; 1 when the target has
 * ended (the last observation was still added); negative errno and the line when it could not look. */
int ebb_target_observe(struct ebb_target *target, struct ebb_error *error);

/* Before a look, when recording: asks for what it needs (a service's heap). True: it is here, so that
 * looking does not wait for it. Does not wait itself. */
bool ebb_target_ready(struct ebb_target *target);

/* Between two looks: takes in what arrived meanwhile and asks for the next (a service's processor
 * profiles). True: something is on its way, so come back soon. Does not wait for it. */
bool ebb_target_attend(struct ebb_target *target);

/* The window is over: looks at what is looked at once (what goroutines wait for) and
 * rounds the evidence off. 0; a negative errno and the line when the target was lost before its
 * time: what was seen stays as evidence. */
int ebb_target_conclude(struct ebb_target *target, struct ebb_error *error);

/* The processes seen so far, the started one first. Owned by the target. */
size_t ebb_target_subject_count(const struct ebb_target *target);
struct ebb_evidence *ebb_target_subject(const struct ebb_target *target, size_t index);

/* The profile of subject `index` now: "heap" (default type inuse_space), "allocs" (the same with
 * alloc_space), "threadcreate"; of a service also "goroutine", "mutex", "block" and "cpu", which is
 * gathered first. The caller frees it. */
int ebb_target_profile(struct ebb_target *target, size_t index, const char *name,
                       struct ebb_profile **profile, struct ebb_error *error);

/* For a started program: its pid and, once it ended, the status as the shell counts it. */
pid_t ebb_target_pid(const struct ebb_target *target);
bool ebb_target_running(struct ebb_target *target);
int ebb_target_status(const struct ebb_target *target);
/* Sends a signal to the started program's process group, or to the program alone when it is in ours;
 * no-op when it is gone. */
void ebb_target_signal(struct ebb_target *target, int signal);

#endif
