"""Plain decoding of the catalogues' files by pyarrow: what any reader of them must at least do."""

import glob
from concurrent.futures import ThreadPoolExecutor

import pyarrow as library
import pyarrow.parquet as pq
from bench import Peer


class Pyarrow(Peer):
    def version(self):
        return library.__version__

    def open(self):
        self.leaves = [path for table in ("gaia", "wise") for path in sorted(glob.glob(self.bench.leaves(table)))]

    def decode(self, *columns):
        """Each thread decodes leaf after leaf, row group by row group, and keeps nothing."""

        def leaf(path):
            file = pq.ParquetFile(path)
            groups = range(file.num_row_groups)
            return sum(file.read_row_group(group, columns=columns, use_threads=False).num_rows for group in groups)

        with ThreadPoolExecutor(self.bench.cores) as pool:
            return sum(pool.map(leaf, self.leaves))


PEER = Pyarrow
