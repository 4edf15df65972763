#!/bin/bash
# --jobs takes no more than the CPU quota of the control group allows: of both versions, also of a
# group around it, fractions rounded down to at least 1; run and plan say so. Needs root and more than
# one core; the groups are folders that are mounted where the kernel's would be.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
[ "$(nproc)" -gt 1 ] || exit 77
mkdir -p group
unshare --mount mount --bind group /sys/fs/cgroup 2>/dev/null || exit 77

cat >s.yaml <<'YAML'
study: s
seeds: 0..5
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {p: {epochs: 1}}
YAML
all=$(nproc)

# within CGROUP MOUNTINFO VERB...: with these lines in the files of /proc.
within() {
    printf '%s\n' "$1" >cgroup
    printf '%s\n' "$2" >mountinfo
    shift 2
    # shellcheck disable=SC2016
    expect 0 unshare --mount sh -c 'mount --bind group /sys/fs/cgroup &&
        mount --bind cgroup /proc/$$/cgroup && mount --bind mountinfo /proc/$$/mountinfo &&
        exec "$ESPALIER" "$@"' sh "$@"
}
# jobs N CGROUP [MOUNTINFO]: what plan takes.
jobs() {
    within "$2" "${3:-}" plan s.yaml --db none.db
    says "with --jobs $1"
    if [ "$1" -lt "$all" ]; then says "the control group allows the time of"; fi
}
clean() { rm -rf group; mkdir group; }

echo "== version 2"
echo "50000 100000" >group/cpu.max
jobs 1 "0::/"
says "0.5 cores, not of the $all there are: --jobs 1"
within "0::/" "" run s.yaml --db r.db --seeds 0
says "the control group allows the time of 0.5 cores" "1 of 1 trials done"
within "0::/" "" plan s.yaml --db none.db --jobs 2
says "with --jobs 2"
grep -q "control group" stderr && fail "a word about what was not asked"
echo "199000 100000" >group/cpu.max
jobs 1 "0::/"
echo "max 100000" >group/cpu.max
jobs "$all" "0::/"
echo "$((all * 100000 + 50000)) 100000" >group/cpu.max
jobs "$all" "0::/"

echo "== a group around it"
mkdir -p group/a/b
echo "max 100000" >group/cpu.max
echo "100000 100000" >group/a/cpu.max
echo "max 100000" >group/a/b/cpu.max
jobs 1 "0::/a/b"
echo "max 100000" >group/a/cpu.max
jobs "$all" "0::/a/b"
echo "100000 100000" >group/a/b/cpu.max
jobs 1 "0::/a/b"
jobs "$all" "0::/a"

echo "== version 1, alone and with another controller"
for names in cpu cpu,cpuacct cpuacct,cpu; do
    clean
    mkdir -p group/cpu/a
    echo 100000 | tee group/cpu/cpu.cfs_period_us >group/cpu/a/cpu.cfs_period_us
    echo -1 | tee group/cpu/cpu.cfs_quota_us >group/cpu/a/cpu.cfs_quota_us
    jobs "$all" "3:$names:/a"
    echo 150000 >group/cpu/a/cpu.cfs_quota_us
    jobs 1 "3:$names:/a"
    jobs "$all" "3:cpuset:/a"
done

echo "== mounted elsewhere, and a part of the hierarchy"
clean
mkdir -p group/unified/a "group/cpu,cpuacct/sub"
echo "120000 100000" >group/unified/a/cpu.max
jobs 1 "0::/a" "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
echo 100000 >"group/cpu,cpuacct/sub/cpu.cfs_period_us"
echo 10000 >"group/cpu,cpuacct/sub/cpu.cfs_quota_us"
jobs 1 "4:cpu,cpuacct:/docker/x/sub" \
    "33 31 0:30 /docker/x /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct"
says "0.1 cores"

exit $((failures > 0))
