"""Stage 3 of the annotation pipeline, the paper's Algorithm 1: IQA-Filter and Box-Merge."""
