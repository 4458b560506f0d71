

   FROM   registry.test/base   AS   one   
	 RUN   echo one  
  COPY	 a.txt	 /  
RUN echo a\  
 b
