/* ebb flame: a flame graph as one HTML page or one SVG image. */
#include "tool/commands/command.h"
#include "tool/commands/look.h"
#include "tool/render/folded.h"

#include <unistd.h>

static const struct ebb_look_command flame = {
    .name = "flame",
    .which = EBB_FLAME,
    .about =
        "Draws a flame graph: a page of its own that zooms, searches and turns around, and needs "
        "no\nnetwork. With --base it shows what changed, red what grew and blue what shrank.\n",
    .usage = "  ebb flame [OPTION...] TARGET...\n",
    .examples = "  ebb flame heap.pb.gz                            writes flame.html\n"
                "  ebb flame -o cache.html --focus cache_ 4711     what process 4711 holds by way "
                "of cache_*\n"
                "  ebb flame --base before.pb.gz after.pb.gz       what changed in between\n"
                "  ebb flame --svg -o heap.svg heap.pb.gz          an image for a report\n"
                "  ebb flame heap.pb.gz > heap.html                to a pipe or a file\n",
};

static int run(int argc, char **argv)
{
    struct ebb_look look;
    struct ebb_error error = {0};
    int stop = ebb_look_parse(&look, &flame, argc, argv);
    if (stop)
        return stop - 1;
    const char *path = look.output;
    if (!path)
        path = !isatty(STDOUT_FILENO) ? "-" : look.svg ? "flame.svg" : "flame.html";
    int failed = ebb_look_open(&look, &error);
    if (!failed && look.folded)
        failed = ebb_look_subtract(&look, &error);
    if (!failed)
        failed = ebb_look_view(&look, &error);
    if (!failed && look.folded)
        failed = ebb_folded_print(&look.shown, stdout, &error);
    else if (!failed)
        failed = ebb_look_flame(&look, path, &error);
    return ebb_look_end(&look, failed, &error);
}

const struct ebb_command ebb_command_flame = {"flame", "Look", "a flame graph as one HTML page",
                                              run};
