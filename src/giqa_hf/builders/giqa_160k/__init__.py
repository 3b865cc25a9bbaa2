"""From kept rows to the dataset giqa-160k: balance, splits, statistics, guard, licences, Parquet, card."""
