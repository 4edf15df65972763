#!/usr/bin/env python3
"""Compares BLAS libraries on the products that espalier asks for (blas_products.c tells which).

usage: blas.py [--out FILE] [--rounds N] NAME=LIBRARY[,VARIABLE=VALUE...]...
e.g.:  blas.py openblas=/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0

Each library is measured in processes of its own, in turns with the others; figures are medians over
rounds.
"""
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# nodes + hidden units of leaves + of the master leaf
SHAPES = [(w, leaf, m, w // leaf - 1 + w + m)
          for w in (16, 128) for leaf in (64, 32, 16, 8, 4, 2, 1) if leaf < w
          for m in (0, leaf)]
GROUPS = ("two_threads", "allocations", "dense")


def measure(program, path, environment):
    """{kind: {key: value}} of the lines it prints."""
    one = {name + "_NUM_THREADS": "1" for name in ("OPENBLAS", "BLIS", "MKL", "OMP")}
    done = subprocess.run([program, path], check=True, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, **one, **environment})
    found = {}
    for line in done.stdout.splitlines():
        kind, key, value = line.split(" ", 2)
        found.setdefault(kind, {})[key] = value
    return found


def summarize(library, rounds):
    def median(group, key):
        return statistics.median(float(one[group][key]) for one in rounds)

    first = rounds[0]
    result = {"name": library[0], "file": os.path.realpath(library[1]), "environment": library[2],
              "version": first["version"]["-"], "kernel": first["kernel"]["-"],
              "shapes": [{"training_width": w, "leaf_width": leaf, "master_leaf": m,
                          "columns": columns, "epoch_s": median("epoch", str(columns))}
                         for w, leaf, m, columns in SHAPES]}
    for group in GROUPS:
        result[group] = {key: median(group, key) for key in first[group]}
    return result


def describe_machine():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {"cpu": names[0] if names else platform.machine(), "cores": os.cpu_count(),
            "system": platform.release(),
            "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE", "")}


def commit():
    done = subprocess.run(["git", "-C", HERE, "rev-parse", "HEAD"], stdout=subprocess.PIPE,
                          text=True, check=False)
    return done.stdout.strip()


def show(results):
    def row(head, values):
        print("%-28s" % head + "".join("%18s" % value for value in values))

    row("kernel", [r["kernel"] for r in results])
    row("seconds an epoch", [r["name"] for r in results])
    for i, (w, leaf, m, columns) in enumerate(SHAPES):
        row(f"{w}/{leaf}/{m}, {columns} columns",
            ["%.4f" % r["shapes"][i]["epoch_s"] for r in results])
    for group in GROUPS:
        for key in results[0][group]:
            row(f"{group} {key}", ["%.2f" % r[group][key] for r in results])


def parse(words):
    libraries, options = [], {"--out": "", "--rounds": "3"}
    words = iter(words)
    for word in words:
        if word in options:
            options[word] = next(words, "")
        elif "=" in word and not word.startswith("-"):
            name, rest = word.split("=", 1)
            path, *settings = rest.split(",")
            libraries.append((name, path, dict(s.split("=", 1) for s in settings)))
        else:
            sys.exit(__doc__)
    if not libraries:
        sys.exit(__doc__)
    return libraries, options["--out"], int(options["--rounds"])


def main():
    libraries, out, count = parse(sys.argv[1:])
    rounds = [[] for _ in libraries]
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "blas_products")
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-O2", "-fno-builtin-malloc",
                        os.path.join(HERE, "blas_products.c"), "-o", program, "-lpthread", "-ldl"],
                       check=True)
        for _ in range(count):
            for i, (_, path, environment) in enumerate(libraries):
                rounds[i].append(measure(program, path, environment))
    results = [summarize(library, rounds[i]) for i, library in enumerate(libraries)]
    show(results)
    if out:
        with open(out, "w") as file:
            json.dump({"commit": commit(), "machine": describe_machine(), "rounds": count,
                       "libraries": results}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
