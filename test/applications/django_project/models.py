from django.db import models


class Item(models.Model):
    name = models.CharField(max_length=80)
    file = models.FileField(upload_to="items", blank=True)

    def __str__(self):
        return self.name
