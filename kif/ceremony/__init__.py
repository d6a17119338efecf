"""Key ceremonies: reviewed plans in, a site's keys and the record of how they came about out."""
