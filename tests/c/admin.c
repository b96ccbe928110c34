/* A host whose engine the command line may look into, until standard input ends.  usage: admin DATA_DIR */
#include "host.h"

int main(int argc, char *argv[])
{
    char byte;
    postrider *engine;
    CHECK(argc == 2);
    engine = host_open(argv[1]);
    puts("open");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        continue;
    OK(postrider_close(engine, 10000));
    return 0;
}
