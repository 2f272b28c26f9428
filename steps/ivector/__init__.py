"""i-vectors: sparse occupancies, Baum-Welch statistics, a universal background model, total variability, a back end.

The mathematics works on arrays alone; every trained thing has `to_arrays()` and `from_arrays()`.

    statistics          Occupancies (T frames, sparse), Statistics (one utterance), Pack (many), Totals (N, F, S)
    gmm                 Gmm: diagonal or full covariance; accumulate(...), update(...) by shares, or train(...)
    supervised_ubm      supervised_ubm(totals, config) -> (Gmm, mapping of merged components)
    total_variability   TotalVariability: the model, its posterior of w; initialize(ubm, config, seed)
    em                  accumulate(model, pack), Accumulators (additive), update(model, accumulators, totals), fit(...)
    extraction          extract(model, pack) -> Vectors
    plda                Plda: two-covariance model, scores of all trials
    backend             Whitening, length normalization, Lda, Backend, cosine scores, equal error rate

An array task calls `accumulate` on its share and stores `accumulators.to_arrays()`; a reducer sums shares in their
order with `merge` and calls `update`. Neither the number of tasks nor the order of utterances matters beyond rounding.
"""
