/* make_data DIR NAME N_TRAIN N_TEST SIDE CLASSES SEED: a small generated data set in DIR/NAME, for
 * test scripts: ESPALIER_DATA_PATH=DIR espalier data info NAME. */
#include "fixtures/generated_data.h"

int main(int argc, char **argv)
{
    unsigned values[5];
    int valid = argc == 8;
    for (int i = 0; valid && i < 5; i++) {
        char *end;
        unsigned long value = strtoul(argv[3 + i], &end, 10);
        valid = *argv[3 + i] && !*end && value <= 10000000;
        values[i] = (unsigned)value;
    }
    if (!valid || values[2] < 1 || values[2] > 1024 || values[3] < 1 || values[3] > 256) {
        fprintf(stderr, "usage: make_data DIR NAME N_TRAIN N_TEST SIDE CLASSES SEED\n");
        return 2;
    }
    generated_data_write(argv[1], argv[2], values[0], values[1], values[2], values[3], values[4]);
    return 0;
}
