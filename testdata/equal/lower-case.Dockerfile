arg name=base
from registry.test/$name as One
run --mount=type=tmpfs,target=/x echo one
copy a.txt /
From one
Copy --from=one /a.txt /b
