#!/usr/bin/env bash
# The options that the recipes of the ensemble share (steps/stages_ensemble.sh reads them). A recipe sources this file
# after utils/recipe.sh, declares its own options and calls
#     ensemble_options "NORMS" RECOGNIZER [own|none]
# with its default normalizations, and the recipe under egs/ with the default recognizer and i-vector extractors; own:
# the recipe trains them there, none: without a recognizer, unless one is given.

ensemble_options() {
  local default_norms=$1 kind=phone_states kinds="phone_states gmm tokens clusters" which="" trains=""
  local default_asr=${3:-../../$2/asr/exp/recognizer} default_extractors=../../$2/ivector/exp/ivector
  case $2 in mandarin4k) kind=tokens kinds="tokens gmm" ;; mini) kind=tokens kinds=tokens ;; esac   # no phone states
  case $default_asr in
    own) default_extractors=own which="; own: trains ../../$2/asr" trains="; own: trains ../../$2/ivector" ;;
    none) which=", e.g. ../../$2/asr/exp/recognizer" ;;
  esac
  option norms      "$default_norms" "feature normalizations, one experiment each: global, speaker, none"
  option seeds      "0"             "seeds of each network"
  option set        ""              "key=value ... over every model configuration"
  option ivectors   "$kind"         "kinds of i-vectors ($kinds); the first is the DNN's"
  option asr        "$default_asr"  "recognizer$which; none: no i-vectors, no text"
  option extractors "$default_extractors" "i-vector extractors, one directory a kind$trains"
  option comparisons false          "also C with other poolings, one task, the advanced LSTM, every frame" --choices "true false"
  option spectrograms false         "also a PyResNet on spectrograms, in the fusion ...+extended" --choices "true false"
  option noise      ""              "robustness: ratios in dB, such as \"20 10 5 0\"; empty: left out"
  option musan      ""              "MUSAN, for its noise, music and speech; empty: our own sounds"
  option drop-duplicates false      "of utterances with the same sound and label keep one" --choices "true false"
  option merge-speakers false       "take speakers who share recordings as one" --choices "true false"
  option size       full            "full, or tiny: about 60 utterances" --choices "full tiny"
  option nj         2               "parallel tasks" --int --free
  option cluster    local           "local, slurm, sge, or a YAML file" --free
}
