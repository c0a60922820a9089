/* Widgets register an observer with a central table keyed by their address, through a table of
 * function pointers; when a widget is destroyed nobody unregisters it. Widgets themselves come and go.
 *
 * expect: unbounded-map */
#include "load.h"

struct observer {
    const void *subject;
    void (*notify)(const void *subject);
    char description[64];
    struct observer *next;
};

struct hub {
    struct observer **heads;
    size_t size, count;
    void (*attach)(struct hub *hub, const void *subject, void (*notify)(const void *));
};

static size_t spot(const struct hub *hub, const void *subject)
{
    return load_random((uintptr_t)subject) % hub->size;
}

static void enlarge(struct hub *hub)
{
    struct hub old = *hub;
    hub->size = old.size ? old.size * 2 + 1 : 127;
    hub->heads = calloc(hub->size, sizeof *hub->heads);
    if (!hub->heads)
        abort();
    for (size_t i = 0; i < old.size; i++)
        while (old.heads[i]) {
            struct observer *observer = old.heads[i];
            old.heads[i] = observer->next;
            observer->next = hub->heads[spot(hub, observer->subject)];
            hub->heads[spot(hub, observer->subject)] = observer;
        }
    free(old.heads);
}

static void attach(struct hub *hub, const void *subject, void (*notify)(const void *))
{
    if (hub->count >= hub->size * 2)
        enlarge(hub);
    struct observer *observer = malloc(sizeof *observer); /* <- keeps */
    if (!observer)
        abort();
    observer->subject = subject;
    observer->notify = notify;
    snprintf(observer->description, sizeof observer->description, "observer of %p", subject);
    size_t at = spot(hub, subject);
    observer->next = hub->heads[at];
    hub->heads[at] = observer;
    hub->count++;
}

static struct hub hub = {.attach = attach};

struct widget {
    int x, y, width, height;
    char *title;
};

static void redraw(const void *widget)
{
    (void)widget;
}

static void dialog(unsigned long number)
{
    static struct widget *open[500];
    struct widget **place = &open[number % 500];
    if (*place) {
        free((*place)->title);
        free(*place);
    }
    struct widget *widget = calloc(1, sizeof *widget);
    if (!widget)
        abort();
    widget->title = strdup("Save changes before closing?");
    hub.attach(&hub, widget, redraw);
    *place = widget;
}

int main(void)
{
    load_run(12000, dialog);
}
