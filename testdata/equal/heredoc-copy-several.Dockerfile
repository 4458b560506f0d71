FROM registry.test/base
COPY <<ONE <<-TWO a.txt /dir/
one
ONE
	two
	TWO
