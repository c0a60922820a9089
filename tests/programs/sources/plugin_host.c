/* A C program that opens the plugin it is given and lets it allocate. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    int (*count)(int) = plugin ? (int (*)(int))dlsym(plugin, "count") : NULL;
    return !count || printf("%d\n", count(10)) < 0;
}
