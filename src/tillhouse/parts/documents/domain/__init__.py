"""Pure rules of documents: what stands on a paper, which text can be printed, what payment codes say."""
