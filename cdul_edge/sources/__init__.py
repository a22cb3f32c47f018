"""Where pictures come from: folders, lists, tar shards and Parquet, here or in an object store."""
