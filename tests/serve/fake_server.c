/* fake_server [ADDRESS [TOKEN]]: the real server over the fake source, for the tests that speak
 * HTTP to it. Prints its URL and serves until stdin ends. */
#include "tests/serve/fake_source.h"
#include "tool/serve/server.h"

#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct fake fake = {.process_count = 1};
    const struct ebb_source source = fake_source(&fake);
    struct ebb_server *server;
    struct ebb_error error;
    if (ebb_server_listen(argc > 1 ? argv[1] : "127.0.0.1:0", argc > 2 ? argv[2] : NULL, &server,
                          &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    if (ebb_server_start(server, &source, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        ebb_server_stop(server);
        return 2;
    }
    puts(ebb_server_url(server));
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    ebb_server_stop(server);
    return 0;
}
