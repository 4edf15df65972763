#!/usr/bin/env python3
"""Times an epoch of espalier and of a vectorized PyTorch network in turns, shape by shape of the paper,
on one thread each. Prints a table and writes JSON; what that file holds of other shapes stays, if
the same program, library and machine measured it. README.md tells what is compared.
"""
import argparse
import gzip
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 256
PAPER = [(16, leaf) for leaf in (8, 4, 2, 1)] + [(128, leaf) for leaf in (64, 32, 16, 8, 4, 2, 1)]
PUBLISHED = ((16, 1), (128, 1))
PUBLISHED_BATCHES = 24  # of the 235 of an epoch: a whole one can take 20 seconds


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--espalier", default=os.path.join(HERE, "../../build/release/espalier"), metavar="FILE")
    add("--out", default=os.path.join(HERE, "../bench/peers.json"), metavar="FILE")
    add("--width", type=int, choices=(16, 128), help="only this training width")
    add("--leaf-width", type=int, metavar="N", help="only this leaf width")
    add("--repetitions", type=int, default=3, metavar="N", help="epochs of each, in turns")
    add("--data", default="mnist", metavar="NAME", help="in idx files below ESPALIER_DATA_PATH")
    add("--published", metavar="DIR",
        help="a clone of github.com/AndreasCharalamp/fastfeedforward-experiments: time it too")
    return parser.parse_args()


def read_espalier(arguments, width, leaf_width, repetitions=1):
    """What `espalier bench train` measures of the two shapes, without and with master leaf."""
    command = [arguments.espalier, "bench", "train", "--format", "json", "--data", arguments.data,
               "--repetitions", str(repetitions), "--width", str(width),
               "--leaf-width", str(leaf_width)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"error: `{' '.join(command)}` failed")
    return json.loads(done.stdout)


def read_data(torch, name):
    """Images as floats in -1..1 and labels, of an idx data set where espalier finds it."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folders = [os.path.join(folder, name)
               for folder in os.environ.get("ESPALIER_DATA_PATH", "").split(":") if folder]
    folders += [os.path.join(cache, "espalier/data", name), os.path.join("/usr/share/datasets", name)]

    def read(file, header):
        for path in (os.path.join(f, file + end) for f in folders for end in ("", ".gz")):
            if os.path.exists(path):
                with (gzip.open if path.endswith(".gz") else open)(path, "rb") as opened:
                    content = bytearray(opened.read())
                return torch.frombuffer(content, dtype=torch.uint8, offset=header)
        sys.exit(f"error: no {file} of {name} in {', '.join(folders)}; `espalier data fetch {name}`")

    def images(file):
        return read(file, 16).view(-1, 784).float().div_(127.5).sub_(1)

    return SimpleNamespace(train=images("train-images-idx3-ubyte"),
                           train_labels=read("train-labels-idx1-ubyte", 8).long(),
                           test=images("t10k-images-idx3-ubyte"),
                           test_labels=read("t10k-labels-idx1-ubyte", 8).long())


def timed(function):
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def depth_of(width, leaf_width):
    return (width // leaf_width).bit_length() - 1


def measure_shapes(arguments, torch, data, width, leaf_width):
    """The two shapes in turns: espalier, PyTorch without master leaf, PyTorch with one."""
    from fff import FFF, Training
    trainings = []
    for master in (0, leaf_width):
        torch.manual_seed(0)
        trainings.append(Training(FFF(depth_of(width, leaf_width), leaf_width, master), data, BATCH))
        for chosen in torch.randperm(len(data.train)).split(BATCH)[:16]:
            trainings[-1].step(chosen)  # warms up
    ours, theirs = [[], []], [[], []]
    for _ in range(arguments.repetitions):
        measured = read_espalier(arguments, width, leaf_width)["shapes"]
        for i, training in enumerate(trainings):
            ours[i].append(measured[i]["epoch_s"])
            theirs[i].append(timed(training.epoch))
    return [result_of(width, leaf_width, measured[i]["master_leaf"], ours[i], theirs[i])
            for i in range(2)]


def result_of(width, leaf_width, master_leaf, ours, theirs):
    epoch, peer = statistics.median(ours), statistics.median(theirs)
    return {"training_width": width, "leaf_width": leaf_width, "master_leaf": master_leaf,
            "epoch_s": round(epoch, 5), "peer_s": round(peer, 5), "times": round(peer / epoch, 3)}


def published_step(arguments, torch, width, leaf_width):
    """A step of the published main.py: its network, losses and optimizer."""
    path = os.path.join(arguments.published, "ExperimentsReproduction/Load Balance/fff.py")
    spec = importlib.util.spec_from_file_location("published_fff", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.device = torch.device("cpu")
    depth = depth_of(width, leaf_width)
    network = module.FFF(input_width=784, leaf_width=leaf_width, output_width=10, depth=depth,
                         activation=torch.nn.ReLU(), usage_mode="soft")
    network.new_impl = True
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.001)
    criterion = torch.nn.CrossEntropyLoss()

    def step(x, labels):
        optimizer.zero_grad()
        logits, entropies, balance = network(x, return_entropies=True)
        loss = (criterion(logits, labels) + entropies.mean() +
                (2**depth) * (1 / BATCH) * (1 / BATCH) * balance)
        loss.backward()
        optimizer.step()

    return step


def measure_published(arguments, torch, data, width, leaf_width):
    """Without its data loader and its evaluation, so an epoch of it takes longer than told here."""
    step = published_step(arguments, torch, width, leaf_width)
    batches = -(-len(data.train) // BATCH)

    def some():
        for i in range(PUBLISHED_BATCHES):
            rows = slice(i * BATCH, (i + 1) * BATCH)
            step(data.train[rows], data.train_labels[rows])

    ours, theirs = [], []
    timed(some)
    for _ in range(arguments.repetitions):
        ours.append(read_espalier(arguments, width, leaf_width)["shapes"][0]["epoch_s"])
        theirs.append(timed(some) * batches / PUBLISHED_BATCHES)
    return result_of(width, leaf_width, 0, ours, theirs)


def loaded_blas():
    """The file behind the BLAS that is mapped into this process."""
    with open("/proc/self/maps") as maps:
        paths = {line.split(None, 5)[-1].strip() for line in maps if "/" in line}
    found = sorted(path for path in paths if "blas" in path or "mkl_core" in path)
    return [os.path.basename(path) for path in found]


def describe(measured, torch, arguments):
    """Who measured, and with what: results of another are not mixed with these."""
    return {"commit": measured["commit"], "dirty": measured["dirty"],
            "machine": measured["machine"], "data": arguments.data,
            "repetitions": arguments.repetitions,
            "peer": {"python": platform.python_version(), "torch": torch.__version__,
                     "blas": loaded_blas(), "threads": torch.get_num_threads(),
                     "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE", "")}}


def place(shape):
    return (shape["training_width"], -shape["leaf_width"], shape["master_leaf"])


def write(path, result):
    """Into the file, over what it held of the same shapes."""
    try:
        with open(path) as file:
            before = json.load(file)
    except (OSError, ValueError):
        before = {}
    lists = ("shapes", "published")
    same = all(before.get(key) == result[key] for key in result if key not in lists)
    for name in lists:
        merged = {place(s): s for s in before.get(name, []) if same}
        merged.update({place(s): s for s in result[name]})
        result[name] = [merged[key] for key in sorted(merged)]
    with open(path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


def show(name, shape):
    print("%-10s %14d %10d %11d %9.4f %9.4f %7.2f" % (
        name, shape["training_width"], shape["leaf_width"], shape["master_leaf"],
        shape["epoch_s"], shape["peer_s"], shape["times"]), flush=True)


def main():
    arguments = parse()
    chosen = [(w, l) for w, l in PAPER if arguments.width in (None, w)
              and arguments.leaf_width in (None, l)]
    if not chosen:
        sys.exit("error: the paper has no such shape")
    measured = read_espalier(arguments, *chosen[0])
    # The same kernels for both: read by OpenBLAS when it is loaded, with PyTorch.
    if measured["machine"]["openblas_coretype"]:
        os.environ["OPENBLAS_CORETYPE"] = measured["machine"]["openblas_coretype"]
    sys.path.insert(0, HERE)
    from torch_here import torch
    data = read_data(torch, arguments.data)
    result = {**describe(measured, torch, arguments), "shapes": [], "published": []}
    print("%-10s %14s %10s %11s %9s %9s %7s" % (
        "peer", "training width", "leaf width", "master leaf", "espalier", "peer", "times"))
    for width, leaf_width in chosen:
        for shape in measure_shapes(arguments, torch, data, width, leaf_width):
            result["shapes"].append(shape)
            show("vectorized", shape)
        if arguments.published and (width, leaf_width) in PUBLISHED:
            shape = measure_published(arguments, torch, data, width, leaf_width)
            result["published"].append(shape)
            show("published", shape)
    write(arguments.out, result)


if __name__ == "__main__":
    main()
