#include "cli/command.h"
#include "core/status.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return esp_fail(ESP_FAILED, "placeholder: the owner of this verb replaces this file");
}

const esp_command esp_cmd_ls = {"ls", "", run};
