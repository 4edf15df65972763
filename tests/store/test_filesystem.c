/* On which file systems a results database is written. */
#include "store/store_fixture.h"

#include <linux/magic.h>

#include "store/filesystem.h"

/* The kernel's own names where it has some; the others' numbers as coreutils' `stat -f`
 * (src/stat.c, human_fstype) knows them. */
static void test_reach__by_type(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        esp_reach reach;
        const char *name;
    } expected[] = {
        {NFS_SUPER_MAGIC, ESP_REACH_NETWORK, "NFS"},
        {CIFS_SUPER_MAGIC, ESP_REACH_NETWORK, "CIFS"},
        {SMB2_SUPER_MAGIC, ESP_REACH_NETWORK, "SMB2"},
        {SMB_SUPER_MAGIC, ESP_REACH_NETWORK, "SMB"},
        {NCP_SUPER_MAGIC, ESP_REACH_NETWORK, "NCP"},
        {AFS_SUPER_MAGIC, ESP_REACH_NETWORK, "AFS"},
        {AFS_FS_MAGIC, ESP_REACH_NETWORK, "AFS"},
        {CODA_SUPER_MAGIC, ESP_REACH_NETWORK, "Coda"},
        {CEPH_SUPER_MAGIC, ESP_REACH_NETWORK, "Ceph"},
        {0x0BD00BD0, ESP_REACH_NETWORK, "Lustre"},
        {0x47504653, ESP_REACH_NETWORK, "GPFS"},
        {0x19830326, ESP_REACH_NETWORK, "BeeGFS"},
        {V9FS_MAGIC, ESP_REACH_PERHAPS, "9p"},
        {FUSE_SUPER_MAGIC, ESP_REACH_PERHAPS, "FUSE"},
        {EXT4_SUPER_MAGIC, ESP_REACH_LOCAL, ""},
        {XFS_SUPER_MAGIC, ESP_REACH_LOCAL, ""},
        {BTRFS_SUPER_MAGIC, ESP_REACH_LOCAL, ""},
        {TMPFS_MAGIC, ESP_REACH_LOCAL, ""},
        {OVERLAYFS_SUPER_MAGIC, ESP_REACH_LOCAL, ""},
        {0, ESP_REACH_LOCAL, ""},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const char *name = NULL;
        assert_int_equal(esp_filesystem_reach(&name, expected[i].type), expected[i].reach);
        assert_string_equal(name, expected[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reach__by_type)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
