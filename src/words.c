#include "src/words.h"

#include <string.h>

bool words_ask_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

bool words_take(int *argc, char **argv, const char *flag)
{
    bool is_there = false;
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], flag) == 0)
            is_there = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    return is_there;
}
