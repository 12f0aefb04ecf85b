#!/usr/bin/python3
"""Makes the sample beside this file from the full evaluation sets.

    make_sample.py DATA_DIR [OUT_DIR]

DATA_DIR holds wnh/, text30k/ and mv30k/; OUT_DIR defaults to the folder of this script. Needs Debian's
python3-numpy. Deterministic: the same sets give the same bytes.

wnh: whole classes, so that a query's own class is there with all its members: 6,000 rows of randomly
chosen classes that have queries, and 300 of these classes' queries.
text: 300 random queries, their known relevant rows, and random rows up to 6,000.
mv: 100 random queries, their known relevant documents, and random documents up to 2,000.
Rows keep the order of the full set. The truth is computed anew in f64 over the f16 values.
"""
import json
import os
import shutil
import sys

import numpy as np

SEED = 20261122
ROWS, QUERIES, K = 6000, 300, 100
DOCUMENTS, TOKEN_QUERIES = 2000, 100  # of mv
DTYPES = {'fbin': '<f4', 'f16bin': '<f2', 'ibin': '<i4', 'i8bin': '<i1', 'u64bin': '<u8'}
# Attribute name -> key in metadata.jsonl. `team` stays out: it often names a person.
ATTRIBUTES = {
    'name': 'key', 'source': 'source', 'section': 'section', 'arch': 'arch',
    'installed_kib': 'installed_kib', 'n_depends': 'n_depends',
    'downloads_month': 'downloads_month', 'major': 'major', 'scoped': 'scoped', 'tags': 'tags',
}


def read_bin(path):
    n, d = np.fromfile(path, '<u4', 2)
    return np.fromfile(path, DTYPES[path.rsplit('.', 1)[1]], offset=8).reshape(int(n), int(d))


def write_bin(path, a):
    a = np.ascontiguousarray(a, DTYPES[path.rsplit('.', 1)[1]])
    a = a[:, None] if a.ndim == 1 else a
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        np.array(a.shape, '<u4').tofile(f)
        a.tofile(f)


def truth(query, base, metric):
    """Top K ids and f32 scores, best first, ties by id. A sum is taken row by row rather than by a
    matrix product, so that equal rows get equal sums."""
    x = base.astype(np.float64)
    ids = np.empty((len(query), K), np.int32)
    scores = np.empty((len(query), K), np.float32)
    for i, q in enumerate(query.astype(np.float64)):
        s = ((x - q) ** 2).sum(1) if metric == 'l2' else (x * q).sum(1)
        best = np.argsort(s if metric == 'l2' else -s, kind='stable')[:K]
        ids[i], scores[i] = best, s[best]
    return ids, scores


def check_against_full(full_ids, rows, query_rows, ids):
    """What the full set's truth holds of the chosen rows must lead the sample's truth (but for the
    order within ties, where the full set's f32 pass may differ)."""
    to_sample = {int(r): i for i, r in enumerate(rows)}
    for i, q in enumerate(query_rows):
        expected = [to_sample[int(r)] for r in full_ids[q] if int(r) in to_sample]
        assert set(expected) == set(ids[i][:len(expected)].tolist()), f'query {q}: truth differs'


def choose_classes(labels, query_labels, rng):
    """Classes in random order, each taken if it still fits, until there are exactly ROWS rows."""
    sizes = np.bincount(labels)
    chosen, left = [], ROWS
    for c in rng.permutation(np.unique(query_labels)):
        if sizes[c] <= left:
            chosen.append(c)
            left -= sizes[c]
    assert left == 0, f'{left} rows short of {ROWS}'
    return np.array(chosen)


def make_wnh(src, out, rng):
    labels = read_bin(f'{src}/base.labels.ibin')[:, 0]
    query_labels = read_bin(f'{src}/query.labels.ibin')[:, 0]
    classes = choose_classes(labels, query_labels, rng)
    rows = np.flatnonzero(np.isin(labels, classes))
    queries = np.flatnonzero(np.isin(query_labels, classes))
    queries = np.sort(rng.choice(queries, QUERIES, replace=False))
    base = read_bin(f'{src}/mrl.base.f16bin')[rows]
    query = read_bin(f'{src}/mrl.query.f16bin')[queries]
    ids, dist = truth(query, base, 'l2')
    check_against_full(read_bin(f'{src}/mrl.gt_l2.ids.ibin'), rows, queries, ids)
    write_bin(f'{out}/base.f16bin', base)
    write_bin(f'{out}/query.f16bin', query)
    write_bin(f'{out}/gt.ids.ibin', ids)
    write_bin(f'{out}/gt.dist.fbin', dist)
    write_bin(f'{out}/base.labels.ibin', labels[rows])
    write_bin(f'{out}/query.labels.ibin', query_labels[queries])
    hits = np.mean(labels[rows][ids[:, 0]] == query_labels[queries])
    print(f'wnh: {len(classes)} classes, 1-NN accuracy {100 * hits:.1f} %')


def attributes(line):
    row = json.loads(line)
    picked = {name: row[key] for name, key in ATTRIBUTES.items() if key in row}
    if row['source'] == 'npm':  # the full set leaves false out
        picked.setdefault('scoped', False)
    return picked


def make_text(src, out, rng):
    positives = read_bin(f'{src}/query.positive.ibin')[:, 0]
    queries = np.sort(rng.choice(len(positives), QUERIES, replace=False))
    base = read_bin(f'{src}/base.f16bin')
    needed = np.unique(positives[queries])
    others = np.setdiff1d(np.arange(len(base)), needed)
    fill = rng.choice(others, ROWS - len(needed), replace=False)
    rows = np.sort(np.concatenate([needed, fill]))
    base = base[rows]
    query = read_bin(f'{src}/query.f16bin')[queries]
    ids, dist = truth(query, base, 'ip')
    check_against_full(read_bin(f'{src}/query.gt_ip.ids.ibin'), rows, queries, ids)
    positive = np.searchsorted(rows, positives[queries])
    write_bin(f'{out}/base.f16bin', base)
    write_bin(f'{out}/query.f16bin', query)
    write_bin(f'{out}/gt.ids.ibin', ids)
    write_bin(f'{out}/gt.dist.fbin', dist)
    write_bin(f'{out}/query.positive.ibin', positive)
    compact = {'ensure_ascii': False, 'separators': (',', ':')}
    with open(f'{src}/metadata.jsonl') as f:
        lines = f.readlines()
    with open(f'{out}/attributes.jsonl', 'w') as f:
        for r in rows:
            f.write(json.dumps(attributes(lines[r]), **compact) + '\n')
    with open(f'{src}/query.jsonl') as f:
        lines = f.readlines()
    with open(f'{out}/query.jsonl', 'w') as f:
        for q, p in zip(queries, positive):
            f.write(json.dumps({'text': json.loads(lines[q])['text'], 'positive': int(p)}, **compact) + '\n')
    hit10 = np.mean([p in top for p, top in zip(positive, ids[:, :10])])
    print(f'text: hit@10 of the known relevant row {100 * hit10:.1f} %')


def chamfer_truth(query, tokens, offsets):
    """Top K documents of each query matrix by MaxSim, in f64, as truth() has rows."""
    x = tokens.astype(np.float64)
    ids = np.empty((len(query), K), np.int32)
    scores = np.empty((len(query), K), np.float32)
    for i, q in enumerate(query):
        best = np.maximum.reduceat(x @ q.T.astype(np.float64), offsets[:-1], axis=0).sum(1)
        order = np.argsort(-best, kind='stable')[:K]
        ids[i], scores[i] = order, best[order]
    return ids, scores


def make_mv(src, out, rng):
    positives = read_bin(f'{src}/query.positive.ibin')[:, 0]
    queries = np.sort(rng.choice(len(positives), TOKEN_QUERIES, replace=False))
    offsets = read_bin(f'{src}/base.off.u64bin')[:, 0].astype(np.int64)
    tokens = read_bin(f'{src}/base.tokens.i8bin')
    needed = np.unique(positives[queries])
    others = np.setdiff1d(np.arange(len(offsets) - 1), needed)
    rows = np.sort(np.concatenate([needed, rng.choice(others, DOCUMENTS - len(needed), replace=False)]))
    sizes = np.diff(offsets)[rows]
    tokens = np.concatenate([tokens[offsets[r]:offsets[r + 1]] for r in rows])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    query_offsets = read_bin(f'{src}/query.off.u64bin')[:, 0].astype(np.int64)
    all_queries = read_bin(f'{src}/query.tokens.f16bin')
    query = [all_queries[query_offsets[q]:query_offsets[q + 1]] for q in queries]
    ids, dist = chamfer_truth(query, tokens, offsets)
    check_against_full(read_bin(f'{src}/query.gt_chamfer.ids.ibin'), rows, queries, ids)
    positive = np.searchsorted(rows, positives[queries])
    write_bin(f'{out}/base.tokens.i8bin', tokens)
    write_bin(f'{out}/base.off.u64bin', offsets)
    write_bin(f'{out}/query.tokens.f16bin', np.concatenate(query))
    write_bin(f'{out}/query.off.u64bin', np.concatenate([[0], np.cumsum([len(q) for q in query])]))
    write_bin(f'{out}/query.gt_chamfer.ids.ibin', ids)
    write_bin(f'{out}/query.gt_chamfer.dist.fbin', dist)
    write_bin(f'{out}/query.positive.ibin', positive)
    shutil.copyfile(f'{src}/scale.txt', f'{out}/scale.txt')
    hit10 = np.mean([p in top for p, top in zip(positive, ids[:, :10])])
    print(f'mv: {len(tokens)} tokens, hit@10 of the known relevant document {100 * hit10:.1f} %')


def main():
    data = sys.argv[1]
    out = sys.argv[2] if len(sys.argv) > 2 else os.path.dirname(os.path.abspath(__file__))
    make_wnh(f'{data}/wnh', f'{out}/wnh', np.random.default_rng(SEED))
    make_text(f'{data}/text30k', f'{out}/text', np.random.default_rng(SEED))
    make_mv(f'{data}/mv30k', f'{out}/mv', np.random.default_rng(SEED))
    os.makedirs(f'{out}/LICENSES', exist_ok=True)
    for name in ('wordnet.txt', 'glove.txt', 'text-metadata.txt'):
        shutil.copyfile(f'{data}/LICENSES/{name}', f'{out}/LICENSES/{name}')


if __name__ == '__main__':
    main()
