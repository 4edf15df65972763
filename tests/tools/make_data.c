/* make_data DIR NAME N_TRAIN N_TEST SIDE CLASSES SEED [FORMAT]: a small generated data set in
 * DIR/NAME, for test scripts: ESPALIER_DATA_PATH=DIR espalier data info NAME. */
#include "fixtures/generated_formats.h"

int main(int argc, char **argv)
{
    unsigned values[5];
    int valid = argc == 8 || argc == 9;
    for (int i = 0; valid && i < 5; i++) {
        char *end;
        unsigned long value = strtoul(argv[3 + i], &end, 10);
        valid = *argv[3 + i] && !*end && value <= 10000000;
        values[i] = (unsigned)value;
    }
    if (!valid || values[2] < 1 || values[2] > 1024 || values[3] < 1 || values[3] > 256) {
        fprintf(stderr, "usage: make_data DIR NAME N_TRAIN N_TEST SIDE CLASSES SEED [FORMAT]\n");
        return 2;
    }
    generated_data_write(argv[1], argv[2], values[0], values[1], values[2], values[3], values[4]);
    if (argc == 9 &&
        !generated_convert(argv[1], argv[2], values[0], values[1], values[2], argv[8])) {
        fprintf(stderr, "make_data: there is no format '%s'\n", argv[8]);
        return 2;
    }
    return 0;
}
