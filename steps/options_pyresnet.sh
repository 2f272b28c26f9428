#!/usr/bin/env bash
# The options that the recipes of PyResNet share (steps/stages_pyresnet.sh reads them). A recipe sources this file after
# utils/recipe.sh, declares its own options and calls pyresnet_options; one that prepares no corpus calls pyresnet_options pooled.

pyresnet_options() {
  option architecture 50            "depth of ResNet and PyResNet" --choices "50 101 152"
  option width        ""            "share of the published channels (default: 1.0; tiny: 0.0625)"
  option windows      false         "also PyResNet on windows of 25, 40, 65 and 100 ms" --choices "true false"
  option comparisons  false         "also VGG, and the published networks MTS and head fusion" --choices "true false"
  option norms        "global"      "feature normalizations, one experiment each: global, speaker, none"
  option seeds        "0"           "seeds of each network"
  option folds        ""            "folds of the networks and the baseline (default: all)"
  option set          ""            "key=value ... over every model configuration"
  if [ "${1:-}" != pooled ]; then
    option drop-duplicates false "of utterances with the same sound and label keep one" --choices "true false"
    option merge-speakers false "take speakers who share recordings as one" --choices "true false"
  fi
  option size         full          "full, or tiny: about 60 utterances" --choices "full tiny"
  option nj           2             "parallel tasks" --int --free
  option gpus         0             "GPUs for each task of training" --int --free
  option cluster      local         "local, slurm, sge, or a YAML file" --free
}
