/* A shared object that is no filter. */
int postrider_no_filter(void);
int postrider_no_filter(void) { return 0; }
