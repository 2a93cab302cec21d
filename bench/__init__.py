"""What the product promises of time, isolation, exactness and kills, measured on whole commands."""
